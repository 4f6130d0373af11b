// Words: nearest words and their map, analogies, the odd one out, and labels without training.

import { get } from "../api.js";
import { el, replace } from "../dom.js";
import { t } from "../i18n.js";
import { preference, setPreference } from "../preferences.js";
import { attempt, button, field, notice, pageHeader, select } from "../widgets.js";
import { openAnalogy } from "./words/analogy.js";
import { openLabels } from "./words/labels.js";
import { openNearest } from "./words/nearest.js";
import { openOdd } from "./words/odd.js";

const MODES = { nearest: openNearest, analogy: openAnalogy, odd: openOdd, labels: openLabels };

export async function open(root, view) {
  const problem = el("div");
  const body = el("div", { class: "words-body" });
  const mode = view.parts[0] in MODES ? view.parts[0] : "nearest";
  root.append(pageHeader(t("words.title"), t(`words.lead.${mode}`), modes(mode)), problem);
  const models = await attempt(null, problem, () => get("/v1/models", {}, view));
  const listed = models && (await attempt(null, problem, () => get("/vocabularies", {}, view)));
  if (!listed) return;
  const names = mode === "labels" ? models.data.map((one) => one.id) : listed.vocabularies.map((one) => one.name);
  if (names.length === 0) {
    root.append(notice("info", el("p", {}, t("words.noVocabulary")), el("p", {}, el("code", {}, "sima words import")), el("p", {}, t("words.uploadHint"))));
    return;
  }
  const standard = listed.vocabularies.find((one) => one.default)?.name ?? names[0];
  const known = [preference("vocabulary"), standard].find((one) => names.includes(one)) ?? names[0];
  const show = (vocabulary) => replace(body, MODES[mode]({ vocabulary, names, ...view }));
  const choose = (name) => {
    setPreference("vocabulary", name);
    for (const answer of ["solved", "odd", "scored"]) delete view.kept[answer]; // of another vocabulary
    show(name);
  };
  if (names.length > 1) root.append(field(t("words.vocabulary"), select(names.map((name) => [name, name]), known, choose)));
  root.append(body);
  show(known);
}

function modes(mode) {
  const go = (name) => () => {
    location.hash = `#/words/${name}`;
  };
  const tabs = Object.keys(MODES).map((name) => button(t(`words.mode.${name}`), go(name), { "aria-pressed": name === mode }));
  return el("div", { class: "tabs", role: "group", "aria-label": t("words.modes") }, tabs);
}
