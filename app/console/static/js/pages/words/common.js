// What the parts of the page Words share: errors about words, and lists of words.

import { Problem } from "../../api.js";
import { barList } from "../../bars.js";
import { el, replace } from "../../dom.js";
import { number, t } from "../../i18n.js";
import { attempt, notice } from "../../widgets.js";

/** Runs a request about words; an unknown word is shown with suggestions, which call `choose`. */
export async function ask(control, target, choose, request) {
  return attempt(control, target, async () => {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "word_not_found") throw error;
      unknownWord(target, error, choose);
      throw new DOMException("the word is unknown", "AbortError"); // it is shown already
    }
  });
}

function unknownWord(target, error, choose) {
  const suggestions = error.body.suggestions ?? [];
  const links = suggestions.map((word) => !choose ? el("bdi", {}, word) : el("button", { type: "button", class: "link", on: { click: () => choose(word) } }, word));
  replace(target, notice("info", el("p", {}, error.message), links.length > 0 && el("p", { class: "actions" }, t("words.meant"), links)));
}

/** A field with the text that it had before the page was built again. */
export function keptField(kept, name, control) {
  control.value = kept[name] ?? "";
  control.addEventListener("input", () => {
    kept[name] = control.value;
  });
  return control;
}

/** Words with their similarities as bars; a click calls `choose`. */
export function wordBars(neighbors, choose, label) {
  const rows = neighbors.map(({ word, similarity }) => ({ name: word, share: similarity, text: number(similarity, 2), action: choose && (() => choose(word)) }));
  return barList(rows, label);
}

/** The words of a text: separated by commas, semicolons or lines, else by spaces. */
export function wordsOf(text) {
  const separator = /[,;\n،؛]/.test(text) ? /[,;\n،؛]+/ : /\s+/;
  return [...new Set(text.split(separator).map((one) => one.trim()).filter(Boolean))];
}
