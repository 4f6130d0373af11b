// Likely duplicates: pairs of people who may be one person enrolled twice, to decide on.

import { get, part, request } from "../../api.js";
import { el, replace } from "../../dom.js";
import { gauge } from "../../gauge.js";
import { t } from "../../i18n.js";
import { announce, attempt, button, notice } from "../../widgets.js";
import { avatar } from "./avatar.js";
import { cropLoader } from "./crops.js";

const PAGE = 100;
const PEOPLE_PER_RUN = 5000;
const PAIRS_PER_RUN = 50;

export async function openDuplicates(root, { gallery, signal }) {
  const path = `/collections/${part(gallery.name)}/duplicates`;
  const message = el("div");
  const showCrop = cropLoader(signal);
  const progress = el("p", { class: "hint", role: "status" });
  const list = el("ul", { class: "pair-list" });
  const state = { cursor: null, examined: 0, known: new Set(), running: false };

  const run = async () => {
    state.running = true;
    const people = state.examined + PEOPLE_PER_RUN;
    const pairs = state.known.size + PAIRS_PER_RUN;
    while (state.running && !signal.aborted && state.examined < people && state.known.size < pairs) {
      const page = await attempt(null, message, () => get(path, { limit: PAGE, cursor: state.cursor }, { signal }));
      if (!page) break;
      state.cursor = page.next_cursor;
      state.examined += page.examined;
      progress.textContent = t("duplicates.examined", { count: state.examined, size: gallery.size });
      list.append(...page.pairs.filter(isNew).map((pair) => pairEntry(pair, { message, showCrop, signal })));
      if (state.cursor === null) break;
    }
    state.running = false;
    const done = state.cursor === null && state.examined > 0;
    replace(controls, !done && button(t("duplicates.go"), start), done && list.children.length === 0 && notice("good", t("duplicates.nothing")));
  };
  const isNew = (pair) => {
    const name = [pair.a.person_id, pair.b.person_id].sort().join(" ");
    return !state.known.has(name) && state.known.add(name);
  };
  const start = () => {
    replace(controls, button(t("duplicates.stop"), () => {
      state.running = false;
    }));
    run();
  };
  const controls = el("div", { class: "actions" });
  root.append(el("p", { class: "hint" }, t("duplicates.hint")), controls, progress, message, list);
  start();
}

function pairEntry(pair, { message, showCrop, signal }) {
  const { a, b } = pair;
  const entry = el("li", { class: "card pair-entry" });
  const decide = (action, text) => async () => {
    const done = await attempt(entry.querySelector("button"), message, async () => {
      await action();
      return true;
    });
    if (!done) return;
    announce(text);
    replace(entry, notice("good", text));
  };
  const same = decide(() => merge(b, a, signal), t("people.merged", { name: a.name }));
  const different = decide(() => reject(pair, signal), t("duplicates.kept", { a: a.name, b: b.name }));
  replace(entry, el("div", { class: "pair-people" }, personLink(a, showCrop(avatar(a), a.person_id, pair.crop_a)), personLink(b, showCrop(avatar(b), b.person_id, pair.crop_b))), gauge(pair), el("div", { class: "actions" }, button(t("duplicates.same"), same, { kind: "primary" }), button(t("duplicates.different"), different)));
  return entry;
}

function personLink(person, picture) {
  const facts = t("people.photos", { count: person.photos });
  return el("div", { class: "person-card" }, picture, el("div", {}, el("a", { href: `#/people/${part(person.person_id)}` }, person.name), el("p", { class: "hint" }, facts)));
}

/** The pair matches as in /verify, which may be below what a merge asks for: the user has decided. */
function merge(from, into, signal) {
  return request("POST", `/persons/${part(from.person_id)}/merge`, { json: { into: into.person_id, on_mismatch: "allow" }, signal });
}

/** Records for both people that the other one's photo does not show them. */
async function reject({ a, b, template_a: templateA, template_b: templateB }, signal) {
  const record = (person, template) => request("POST", `/persons/${part(person.person_id)}/not-this`, { json: { template_id: template }, signal });
  await record(a, templateB);
  await record(b, templateA);
}
