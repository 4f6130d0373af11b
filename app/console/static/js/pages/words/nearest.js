// The words nearest to a word, as a list and as a map.

import { get, part } from "../../api.js";
import { pausing, wordInput } from "../../completion.js";
import { el, replace } from "../../dom.js";
import { percent, t } from "../../i18n.js";
import { announce, card, field, form } from "../../widgets.js";
import { wordMap } from "../../wordmap.js";
import { ask, wordBars } from "./common.js";

const AROUND = 60; // words of the map
const LISTED = 20;
const PAUSE = 350; // milliseconds after the last key

/** The parts of the page for one vocabulary. */
export function openNearest({ vocabulary, query, signal }) {
  const message = el("div");
  const results = el("div", { class: "words-results" });
  const word = wordInput(() => vocabulary, signal, { value: query.get("word") ?? "", enterkeyhint: "search" });
  let shown = null;
  let before = new AbortController();

  const search = async (text) => {
    const wanted = text.trim();
    if (!wanted || wanted === shown) return;
    shown = wanted;
    before.abort();
    before = new AbortController();
    const options = { signal: AbortSignal.any([signal, before.signal]) };
    const found = await ask(null, message, choose, () => get(`/words/${part(wanted)}/map`, { k: AROUND, vocabulary }, options));
    if (!found) {
      if (shown === wanted) shown = null; // it may be tried again
      return;
    }
    history.replaceState(null, "", `#/words/nearest?word=${part(wanted)}`);
    replace(results, listed(found, choose), mapped(found, choose, signal));
    announce(t("words.found", { count: found.points.length - 1, word: found.points[0].word }));
  };
  const choose = (text) => {
    word.input.value = text;
    search(text);
  };
  const later = pausing(() => search(word.input.value), PAUSE, signal);
  word.input.addEventListener("input", later);
  replace(results, el("p", { class: "muted" }, t("words.noWord")));
  search(word.input.value);
  return [form(() => search(word.input.value), field(t("words.word"), word.input, t("words.wordHint")), word.list), message, results];
}

function listed({ points }, choose) {
  const neighbors = points.slice(1, LISTED + 1);
  return card(t("words.nearest", { word: points[0].word }), wordBars(neighbors, choose, t("words.similarities")), el("p", { class: "hint" }, t("words.rank", { rank: points[0].rank })));
}

function mapped({ points, explained_variance: [x, y] }, choose, signal) {
  return card(t("words.map"), wordMap(points, choose, signal), el("p", { class: "hint" }, t("words.mapNote", { x: percent(x), y: percent(y) })));
}
