// Tables that scroll sideways on narrow screens, also with the keyboard.

import { el } from "./dom.js";

/** A table: texts of the columns, and rows of cells; a cell may be text, a number or an element. */
export function table(label, columns, rows) {
  const head = el("tr", {}, columns.map((text) => el("th", { scope: "col" }, text)));
  const body = rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell ?? "–"))));
  return el("div", { class: "table-box", tabindex: "0", role: "group", "aria-label": label }, el("table", {}, el("thead", {}, head), el("tbody", {}, body)));
}

/** Names and values in two columns. */
export function facts(rows) {
  return el("dl", { class: "facts" }, rows.filter(Boolean).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value ?? "–")]));
}

/** Text that is written from left to right in every language: ids, names of models, routes. */
export function code(text) {
  return el("code", { dir: "ltr" }, text);
}
