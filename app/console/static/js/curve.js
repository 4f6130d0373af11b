// Draws a calibration curve: false match rate and refused genuine pairs against the threshold.

import { el, svg } from "./dom.js";
import { number, percent, t } from "./i18n.js";

const WIDTH = 640;
const HEIGHT = 300;
const LEFT = 92;
const RIGHT = 56;
const TOP = 16;
const BOTTOM = 44;
const LOWEST = -6; // of the false match rate, as a power of ten

/**
 * A figure of the curve {similarity, fmr, fnmr} with the thresholds of `marks` as lines
 * ({threshold, name}). The left axis has the false match rate (logarithmic), the right axis the
 * share of refused genuine pairs.
 */
export function curveFigure({ similarity, fmr, fnmr }, marks, measuredTo) {
  const thresholds = [...similarity, ...marks.map((one) => one.threshold)];
  const low = Math.floor(Math.min(...thresholds) * 10) / 10;
  const high = Math.ceil(Math.max(...thresholds.filter((_, at) => (fmr[at] ?? 1) >= 10 ** LOWEST), ...marks.map((one) => one.threshold)) * 10) / 10;
  const x = (value) => LEFT + ((value - low) / (high - low)) * (WIDTH - LEFT - RIGHT);
  const rate = (value) => TOP + (Math.log10(Math.max(value, 10 ** LOWEST)) / LOWEST) * (HEIGHT - TOP - BOTTOM);
  const share = (value) => HEIGHT - BOTTOM - value * (HEIGHT - TOP - BOTTOM);
  const shown = similarity.map((value, at) => ({ value, fmr: fmr[at], fnmr: fnmr[at] })).filter((one) => one.value <= high && one.fmr >= 10 ** LOWEST);
  const sorted = [...marks].sort((one, other) => one.threshold - other.threshold);
  const drawing = svg(
    "svg",
    { class: "curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": summary(marks, fnmr.length > 0) },
    axes(x, rate, share, low, high),
    measuredTo && svg("line", { class: "curve-measured", x1: LEFT, x2: WIDTH - RIGHT, y1: rate(measuredTo), y2: rate(measuredTo) }),
    svg("polyline", { class: "curve-fmr", points: shown.map((one) => `${x(one.value)},${rate(one.fmr)}`).join(" ") }),
    fnmr.length > 0 && svg("polyline", { class: "curve-fnmr", points: shown.map((one) => `${x(one.value)},${share(one.fnmr)}`).join(" ") }),
    sorted.map((one, at) => markLine(one, x(one.threshold), at === 0 && sorted.length > 1)),
  );
  const legend = el("p", { class: "legend hint" }, el("span", { class: "legend-fmr" }, t("collections.fmr")), fnmr.length > 0 && el("span", { class: "legend-fnmr" }, t("collections.fnmr")));
  return el("figure", { class: "curve-box" }, drawing, legend);
}

function summary(marks, measured) {
  const parts = marks.map((one) => t("collections.markText", { name: one.name, threshold: number(one.threshold, 3) }));
  return [t(measured ? "collections.curve" : "collections.curveOfFmr"), ...parts].join(" ");
}

/** A line with its name beside it, to the left of the line where `before` is true. */
function markLine({ threshold, name }, x, before) {
  const text = `${name} ${number(threshold, 2)}`;
  const end = x > WIDTH - RIGHT - 110 || (before && x > LEFT + 110);
  return svg(
    "g",
    { class: "curve-mark" },
    svg("line", { x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }),
    svg("text", { x: end ? x - 5 : x + 5, y: TOP + (before ? 32 : 14), "text-anchor": end ? "end" : "start" }, text),
  );
}

function axes(x, rate, share, low, high) {
  const powers = [0, -1, -2, -3, -4, -5, -6];
  const steps = Math.round((high - low) * 10);
  const every = steps > 8 ? 2 : 1;
  const ticks = Array.from({ length: Math.floor(steps / every) + 1 }, (_, at) => low + (at * every) / 10);
  const right = WIDTH - RIGHT;
  return [
    powers.map((power) => svg("line", { class: "curve-grid", x1: LEFT, x2: right, y1: rate(10 ** power), y2: rate(10 ** power) })),
    powers.map((power) => svg("text", { class: "curve-text-fmr", x: LEFT - 8, y: rate(10 ** power) + 4, "text-anchor": "end" }, number(10 ** power, Math.max(0, -power)))),
    [0, 0.25, 0.5, 0.75, 1].map((value) => svg("text", { class: "curve-text-fnmr", x: right + 8, y: share(value) + 4 }, percent(value))),
    ticks.map((value) => svg("text", { x: x(value), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, number(value, 1))),
    svg("text", { x: (LEFT + right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, t("collections.threshold")),
  ];
}
