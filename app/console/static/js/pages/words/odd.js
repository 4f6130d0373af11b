// The odd one out: the word that fits the others least.

import { request } from "../../api.js";
import { barList } from "../../bars.js";
import { el, replace } from "../../dom.js";
import { number, t } from "../../i18n.js";
import { button, card, field, form } from "../../widgets.js";
import { ask, keptField, wordsOf } from "./common.js";

const EXAMPLES = ["breakfast, cereal, dinner, engine", "red, green, seven, blue", "paris, rome, banana, berlin"];

/** The parts of the page for one vocabulary. */
export function openOdd({ vocabulary, signal, kept }) {
  const message = el("div");
  const results = el("div");
  const input = keptField(kept, "words", el("input", { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false", dir: "auto", required: true }));
  const submit = el("button", { class: "button button-primary", type: "submit" }, t("words.findOdd"));

  const find = async () => {
    const words = wordsOf(input.value);
    const found = await ask(submit, message, null, () => request("POST", "/words/odd-one-out", { json: { words, vocabulary }, signal }));
    if (!found) return;
    kept.odd = { words, found };
    show(kept.odd);
  };
  const show = ({ words, found }) => {
    const rows = words.map((word, at) => ({ name: word, similarity: found.similarities[at], odd: word === found.word }));
    rows.sort((one, other) => (other.similarity ?? -1) - (one.similarity ?? -1));
    replace(results, card(t("words.oddIs", { word: found.word }), barList(rows.map(row), t("words.toMean")), el("p", { class: "hint" }, t("words.toMean"))));
  };
  const fill = (words) => () => {
    input.value = kept.words = words;
    find();
  };
  const examples = EXAMPLES.map((words) => button(words, fill(words), { kind: "plain", dir: "ltr" }));
  if (kept.odd) show(kept.odd);
  return [form(find, field(t("words.words"), input, t("words.wordsHint")), el("div", { class: "actions" }, submit), el("div", { class: "actions" }, el("span", { class: "muted" }, t("words.examples")), examples)), message, results];
}

function row({ name, similarity, odd }) {
  const badge = odd && el("span", { class: "badge badge-warning" }, t("words.odd"));
  return { name, share: similarity ?? 0, text: similarity === null ? t("words.skipped") : number(similarity, 2), kind: odd ? "warning" : "", note: badge };
}
