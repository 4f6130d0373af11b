// Draws how far a similarity is from its threshold, and lets the target rate be moved.

import { el, newId, svg } from "./dom.js";
import { number, oneIn, percent, t } from "./i18n.js";
import { field } from "./widgets.js";

const LOWEST_RATE = -6; // as powers of ten
const HIGHEST_RATE = Math.log10(0.5);

/** Similarity from 0 to 1 on a bar whose part from the threshold on is marked. */
export function gauge({ similarity, threshold, estimated_fmr: rate }) {
  const matches = similarity >= threshold;
  const at = (value) => 100 * Math.min(1, Math.max(0, value));
  const values = { similarity: number(similarity, 2), threshold: number(threshold, 2), rate: oneIn(rate) };
  const drawing = svg(
    "svg",
    { class: `gauge ${matches ? "gauge-good" : "gauge-bad"}`, viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "gauge-track", x: 0, y: 2, width: 100, height: 4 }),
    svg("rect", { class: "gauge-zone", x: at(threshold), y: 2, width: 100 - at(threshold), height: 4 }),
    svg("rect", { class: "gauge-value", x: 0, y: 2, width: at(similarity), height: 4 }),
    svg("line", { class: "gauge-threshold", x1: at(threshold), x2: at(threshold), y1: 0, y2: 8 }),
  );
  return el("div", { class: "gauge-box" }, drawing, el("p", { class: "hint number" }, t("gauge.text", values)));
}

/** A slider of a target rate: {element, rate(), set(rate)}; `change(rate)` is called while it moves. */
export function rateSlider(text, change) {
  const input = el("input", { type: "range", min: LOWEST_RATE, max: HIGHEST_RATE, step: "any", value: -2 });
  const output = el("output", { class: "number", id: newId("rate") });
  const rate = () => Math.min(0.5, 10 ** Number(input.value));
  const show = () => {
    output.textContent = oneIn(rate());
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => {
    show();
    change(rate());
  });
  const step = (event) => {
    const forward = document.documentElement.dir === "rtl" ? -1 : 1;
    const direction = { ArrowUp: 1, ArrowRight: forward, ArrowDown: -1, ArrowLeft: -forward }[event.key];
    if (!direction) return;
    event.preventDefault(); // a step of the browser would be a hundredth of the range
    set(10 ** (Math.round(Number(input.value) * 4 + direction) / 4));
    change(rate());
  };
  input.addEventListener("keydown", step);
  const set = (value) => {
    input.value = Math.log10(value);
    show();
  };
  show();
  const element = field(text, input);
  element.classList.add("rate");
  element.querySelector("label").append(" ", output);
  return { element, input, rate, set };
}

/** The score of a face's quality as a small bar. */
export function qualityBar(score) {
  const text = t("faces.quality", { score: percent(score) });
  return el("div", { class: "quality" }, el("meter", { min: 0, max: 1, low: 0.3, high: 0.6, optimum: 1, value: score, "aria-label": text }), el("span", { class: "hint" }, text));
}
