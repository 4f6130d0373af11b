// Starts the console and shows the page that the address names: #/PAGE/PART?NAME=VALUE.

import { el, replace } from "./dom.js";
import { loadLanguage, preferredLanguage, t } from "./i18n.js";
import { PAGES } from "./pages.js";
import { applyTheme, buildShell, markPage } from "./shell.js";
import { problemNotice } from "./widgets.js";

const app = document.getElementById("app");
let main = null;
let leaving = new AbortController();
let kept = {}; // what the page finds again when it is built in another language

function build() {
  const shell = buildShell(build);
  main = shell.main;
  replace(app, shell.parts);
  showPage();
}

/** The page of the address, the parts of its path and its query. */
function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [id, ...parts] = path.split("/").filter(Boolean).map(decodeURIComponent);
  const page = PAGES.find((one) => one.id === id) ?? PAGES[0];
  return { page, parts, query: new URLSearchParams(query) };
}

async function showPage() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const { page, parts, query } = route();
  markPage(page.id);
  document.title = `${t(`${page.id}.title`)} · Sima`;
  main.setAttribute("aria-busy", "true");
  const root = el("div", { class: `page page-${page.id}` });
  try {
    const [module] = await Promise.all([page.load(), page.styles && loadStyles(page.styles)]);
    if (signal.aborted) return;
    await module.open(root, { parts, query, signal, kept });
  } catch (error) {
    if (error.name === "AbortError") return;
    root.append(problemNotice(error));
  }
  if (signal.aborted) return;
  replace(main, root);
  main.removeAttribute("aria-busy");
  if (moved) root.querySelector("h1")?.focus();
  moved = false;
}

let moved = false;

const styles = new Map();

function loadStyles(path) {
  if (!styles.has(path)) {
    const link = el("link", { rel: "stylesheet", href: path });
    styles.set(path, new Promise((resolve) => link.addEventListener("load", resolve, { once: true })));
    document.head.append(link);
  }
  return styles.get(path);
}

window.addEventListener("hashchange", () => {
  moved = true;
  kept = {};
  showPage();
});

applyTheme();
await loadLanguage(preferredLanguage());
build();
