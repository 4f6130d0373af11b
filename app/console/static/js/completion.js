// An input for a word that the service completes while it is typed.

import { get } from "./api.js";
import { el, newId, replace } from "./dom.js";

const DELAY = 120; // milliseconds after the last key

/** Calls `action` once its caller has paused for so many milliseconds. */
export function pausing(action, delay, signal) {
  let timer = 0;
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), delay);
  };
}

/** {input, list}: an input with its list of completions; `vocabulary()` names where they are from. */
export function wordInput(vocabulary, signal, attributes = {}) {
  const list = el("datalist", { id: newId("words") });
  const input = el("input", { type: "text", list: list.id, autocomplete: "off", autocapitalize: "none", spellcheck: "false", dir: "auto", maxlength: 100, ...attributes });
  const complete = pausing(async () => {
    const prefix = input.value.trim();
    if (!prefix) return replace(list);
    try {
      const found = await get("/words", { prefix, limit: 10, vocabulary: vocabulary() }, { signal });
      if (input.value.trim() === prefix) replace(list, found.words.map((one) => el("option", { value: one.word })));
    } catch {
      replace(list); // the request for the word itself shows what is wrong
    }
    return list;
  }, DELAY, signal);
  input.addEventListener("input", complete);
  return { input, list };
}
