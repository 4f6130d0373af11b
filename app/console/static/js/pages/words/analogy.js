// Analogies: A is to B as C is to what?

import { request } from "../../api.js";
import { wordInput } from "../../completion.js";
import { el, replace } from "../../dom.js";
import { t } from "../../i18n.js";
import { button, card, field, form, select } from "../../widgets.js";
import { ask, keptField, wordBars } from "./common.js";

const EXAMPLES = [["man", "king", "woman"], ["france", "paris", "italy"], ["good", "better", "bad"]];

/** The parts of the page for one vocabulary. */
export function openAnalogy({ vocabulary, signal, kept }) {
  const message = el("div");
  const results = el("div");
  const inputs = ["a", "b", "c"].map((name) => ({ name, ...wordInput(() => vocabulary, signal, { required: true }) }));
  for (const { name, input } of inputs) keptField(kept, name, input);
  let method = kept.method ?? "3cosadd";
  const submit = el("button", { class: "button button-primary", type: "submit" }, t("words.solve"));

  const solve = async () => {
    const [a, b, c] = inputs.map((one) => one.input.value.trim());
    if (!a || !b || !c) return;
    const json = { positive: [b, c], negative: [a], k: 10, method, vocabulary };
    const found = await ask(submit, message, null, () => request("POST", "/words/nearest", { json, signal }));
    if (!found) return;
    kept.solved = { a, b, c, neighbors: found.neighbors };
    show(kept.solved);
  };
  const show = ({ a, b, c, neighbors }) => {
    const [best] = neighbors;
    const answer = best && el("p", { class: "solution" }, t("words.solution", { a, b, c, d: best.word }));
    replace(results, card(t("words.answer"), answer, wordBars(neighbors, null, t("words.similarities"))));
  };
  const fill = (words) => () => {
    inputs.forEach((one, at) => {
      one.input.value = kept[one.name] = words[at];
    });
    solve();
  };
  const examples = EXAMPLES.map((words) => button(words.join(" : "), fill(words), { kind: "plain", dir: "ltr" }));
  const choice = select([["3cosadd", "3CosAdd"], ["3cosmul", "3CosMul"]], method, (value) => {
    method = kept.method = value;
  });
  const fields = inputs.map(({ name, input, list }) => [field(t(`words.analogy.${name}`), input), list]);
  const query = form(solve, el("div", { class: "analogy" }, fields, field(t("words.method"), choice)), el("div", { class: "actions" }, submit, el("span", { class: "muted" }, t("words.examples")), examples));
  if (kept.solved) show(kept.solved);
  return [query, message, results];
}
