// A list of names with bars: similarities, scores, shares.

import { el } from "./dom.js";

/**
 * An ordered list of {name, share, text, kind, action}: `share` from 0 to 1 is the length of the bar,
 * `text` is the number beside it, `action` is called when the name is chosen.
 */
export function barList(rows, label) {
  return el("ol", { class: "bars", "aria-label": label }, rows.map(bar));
}

function bar({ name, share, text, kind = "", action = null, note = null }) {
  const fill = el("span", { class: "bar-fill" });
  fill.style.setProperty("inline-size", `${100 * Math.min(1, Math.max(0, share))}%`);
  const shown = action ? el("button", { type: "button", class: "link", on: { click: action } }, name) : name;
  return el(
    "li",
    { class: `bar ${kind && `bar-${kind}`}` },
    el("span", { class: "bar-name" }, el("bdi", {}, shown), note),
    el("span", { class: "bar-track", "aria-hidden": "true" }, fill),
    el("span", { class: "bar-value number" }, text),
  );
}
