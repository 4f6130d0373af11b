// The frame of the page: navigation, language, colours and the key.

import { hasKey, onMissingKey, setKey } from "./api.js";
import { el } from "./dom.js";
import { LANGUAGES, chooseLanguage, language, t } from "./i18n.js";
import { icon } from "./icons.js";
import { PAGES } from "./pages.js";
import { preference, setPreference } from "./preferences.js";
import { button, dialog, field, form, select } from "./widgets.js";

const THEMES = ["auto", "light", "dark"];

/** Applies the colours that the user chose. */
export function applyTheme() {
  document.documentElement.dataset.theme = preference("theme", "auto");
}

/** Builds the frame; `rebuild` is called after a change of language. Returns {app, main}. */
export function buildShell(rebuild) {
  const main = el("main", { class: "main", id: "main" });
  const skip = el("a", { class: "skip", href: "#main", on: { click: (event) => skipTo(event, main) } }, t("shell.skip"));
  const brand = el("a", { class: "brand", href: "#/try" }, el("img", { src: "icon.svg", alt: "", width: 28, height: 28 }), "Sima");
  const links = PAGES.map((page) => el("li", {}, el("a", { href: `#/${page.id}`, dataset: { page: page.id } }, icon(page.icon), el("span", {}, t(`${page.id}.title`)))));
  const reference = el("li", {}, el("a", { href: "../docs", target: "_blank", rel: "noopener" }, icon("book"), el("span", {}, t("shell.reference"))));
  const nav = el("nav", { "aria-label": t("shell.navigation") }, el("ul", {}, links, reference));
  const settings = el("div", { class: "settings" }, languageSelect(rebuild), themeSelect(), keyButton());
  const announcements = el("div", { id: "announcements", class: "visually-hidden", role: "status", "aria-live": "polite" });
  onMissingKey(() => enterKey(t("shell.keyNeeded")));
  return { parts: [skip, el("header", { class: "sidebar" }, brand, nav, settings), main, announcements], main };
}

/** Marks the page that is shown in the navigation. */
export function markPage(id) {
  for (const link of document.querySelectorAll("nav a[data-page]")) {
    if (link.dataset.page === id) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function skipTo(event, main) {
  event.preventDefault(); // the address has the name of the page
  (main.querySelector("h1") ?? main).focus();
}

function languageSelect(rebuild) {
  const options = LANGUAGES.map((one) => [one.id, one.name]);
  const change = async (id) => {
    await chooseLanguage(id);
    rebuild();
    document.getElementById("language").focus(); // the one that was used is gone
  };
  return select(options, language(), change, { id: "language", "aria-label": t("shell.language"), title: t("shell.language") });
}

function themeSelect() {
  const options = THEMES.map((one) => [one, t(`shell.theme.${one}`)]);
  const change = (theme) => {
    setPreference("theme", theme);
    applyTheme();
  };
  return select(options, preference("theme", "auto"), change, { "aria-label": t("shell.colours"), title: t("shell.colours") });
}

function keyButton() {
  return button(t("shell.key"), () => enterKey(null), { icon: "key", kind: "plain" });
}

let open = null;

/** Asks for the API key, once at a time. Resolves to whether one was entered. */
function enterKey(reason) {
  open ??= dialog(t("shell.keyTitle"), (close) => keyForm(reason, close)).finally(() => {
    open = null;
  });
  return open.then((entered) => entered === true);
}

function keyForm(reason, close) {
  const input = el("input", { type: "password", autocomplete: "off", spellcheck: "false" });
  const remember = el("input", { type: "checkbox", id: "remember-key" });
  const save = () => {
    setKey(input.value.trim(), remember.checked);
    close(hasKey());
  };
  return form(
    save,
    reason && el("p", {}, reason),
    field(t("shell.key"), input, t("shell.keyHint")),
    el("div", { class: "check" }, remember, el("label", { for: remember.id }, t("shell.keyRemember"))),
    el("div", { class: "actions" }, el("button", { class: "button button-primary", type: "submit" }, t("common.save"))),
  );
}
