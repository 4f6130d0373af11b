// The people of a gallery: a grid that asks the service for the next page while it is scrolled.

import { get } from "../../api.js";
import { el, replace } from "../../dom.js";
import { t } from "../../i18n.js";
import { announce, attempt, button, field } from "../../widgets.js";
import { avatar } from "./avatar.js";
import { cropLoader } from "./crops.js";

const PAGE = 60;
const TYPING_MILLISECONDS = 150;

export async function openList(root, { gallery, query, signal }) {
  const grid = el("ul", { class: "people-grid" });
  const message = el("div");
  const end = el("div", { class: "people-end" });
  const search = el("input", { type: "search", value: query.get("q") ?? "", autocomplete: "off", placeholder: t("people.searchHint") });
  const showCrop = cropLoader(signal);
  const state = { cursor: null, done: false, asked: new AbortController() };

  const load = async (first) => {
    const { signal: asked } = state.asked;
    const page = await attempt(null, message, () => get("/persons", { collection: gallery.name, q: search.value.trim(), limit: PAGE, cursor: state.cursor }, { signal: asked }));
    if (!page || asked.aborted) return;
    state.cursor = page.next_cursor;
    state.done = page.next_cursor === null;
    const cards = page.persons.map((one) => personCard(one, showCrop(avatar(one), one.person_id, page.crops[one.person_id])));
    if (first) replace(grid, cards);
    else grid.append(...cards);
    const nobody = first && cards.length === 0;
    replace(end, nobody && el("p", { class: "empty" }, t(search.value.trim() ? "people.nobodyFound" : "people.nobody")), !state.done && button(t("people.more"), () => next()));
    if (first) announce(t("people.shown", { count: cards.length }));
  };

  let loading = null;
  const next = () => {
    if (state.done || loading) return loading;
    loading = load(false).finally(() => {
      loading = null;
      if (near(end)) next();
    });
    return loading;
  };
  const restart = () => {
    state.asked.abort();
    state.asked = new AbortController();
    Object.assign(state, { cursor: null, done: false });
    loading = null;
    return load(true);
  };

  let typing;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      history.replaceState(null, "", `#/people?${new URLSearchParams({ collection: gallery.name, q: search.value.trim() })}`);
      restart();
    }, TYPING_MILLISECONDS);
  });
  signal.addEventListener("abort", () => state.asked.abort());
  root.append(field(t("people.search"), search), message, grid, end);
  await restart();
  const watcher = new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && next(), { rootMargin: "800px" });
  watcher.observe(end);
  signal.addEventListener("abort", () => watcher.disconnect());
}

function near(element) {
  return element.isConnected && element.getBoundingClientRect().top < window.innerHeight + 800;
}

function personCard(person, picture) {
  const facts = [t("people.photos", { count: person.photos }), person.external_id].filter(Boolean).join(" · ");
  const link = el("a", { href: `#/people/${encodeURIComponent(person.person_id)}` }, person.name);
  return el("li", { class: "person-card" }, picture, el("div", {}, link, el("p", { class: "hint" }, facts)));
}
