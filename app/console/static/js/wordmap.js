// A map of words in the plane: dragged, zoomed by wheel, pinch, buttons and keys.

import { el, newId, replace, svg } from "./dom.js";
import { t } from "./i18n.js";
import { button } from "./widgets.js";

const MARGIN = 56; // pixels around the words at zoom 1
const FONT = 14;
const STEP = 1.4;
const MOST_ZOOM = 40;

/** A figure with the points {word, similarity, x, y}, the middle one first. */
export function wordMap(points, choose, signal) {
  const marks = points.map((point, at) => mark(point, at === 0));
  const drawing = svg("svg", { class: "map-drawing", "aria-hidden": "true" }, marks.map((one) => one.element));
  const hint = el("p", { class: "hint", id: newId("hint") }, t("words.mapHint"));
  const frame = el("div", { class: "map", role: "group", tabindex: "0", "aria-label": t("words.mapOf", { word: points[0].word }), "aria-describedby": hint.id }, drawing);
  const view = { zoom: 1, x: 0, y: 0, width: 0, height: 0 };
  const fit = extent(points);

  const draw = () => place(marks, fit, view);
  const zoom = (factor, x = view.width / 2, y = view.height / 2) => {
    const next = Math.min(MOST_ZOOM, Math.max(0.5, view.zoom * factor));
    const ratio = next / view.zoom;
    view.x = (view.x + view.width / 2 - x) * ratio + x - view.width / 2;
    view.y = (view.y + view.height / 2 - y) * ratio + y - view.height / 2;
    view.zoom = next;
    draw();
  };
  const reset = () => {
    Object.assign(view, { zoom: 1, x: 0, y: 0 });
    draw();
  };
  const pan = (x, y) => {
    view.x += x;
    view.y += y;
    draw();
  };
  const observer = new ResizeObserver(([{ contentRect }]) => {
    view.width = contentRect.width;
    view.height = contentRect.height;
    drawing.setAttribute("viewBox", `0 0 ${view.width} ${view.height}`);
    draw();
  });
  observer.observe(frame);
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });

  takeKeys(frame, { zoom, pan, reset });
  takePointers(frame, { zoom, pan, choose });
  const buttons = el(
    "div",
    { class: "actions map-buttons" },
    button("+", () => zoom(STEP), { label: t("words.zoomIn") }),
    button("−", () => zoom(1 / STEP), { label: t("words.zoomOut") }),
    button(t("words.zoomReset"), reset),
  );
  return el("div", { class: "map-box" }, buttons, frame, hint);
}

function mark({ word, similarity }, central) {
  const label = svg("text", { x: 9, y: 4 }, word);
  const title = svg("title", {}, word);
  const dot = svg("circle", { r: central ? 6 : 3 + 3 * Math.max(0, similarity) });
  const element = svg("g", { class: central ? "map-word map-center" : "map-word", "data-word": word }, title, dot, label);
  return { element, label, width: 12 + word.length * FONT * 0.56, word };
}

function extent(points) {
  const spread = (values) => [(Math.min(...values) + Math.max(...values)) / 2, Math.max(...values) - Math.min(...values) || 1];
  const [middleX, width] = spread(points.map((one) => one.x));
  const [middleY, height] = spread(points.map((one) => one.y));
  return { points, middleX, middleY, width, height };
}

/** Moves the words to their places, and hides the names that would cover those of nearer words. */
function place(marks, fit, view) {
  if (!view.width) return;
  const scaleX = (Math.max(40, view.width - 2 * MARGIN - 40) / fit.width) * view.zoom;
  const scaleY = (Math.max(40, view.height - MARGIN) / fit.height) * view.zoom;
  const scale = Math.min(scaleX, scaleY * 2.2); // wide maps may stretch: only distances along an axis compare
  const taken = [];
  marks.forEach((one, at) => {
    const point = fit.points[at];
    const x = view.width / 2 + (point.x - fit.middleX) * scale + view.x - 16 * (at > 0);
    const y = view.height / 2 - (point.y - fit.middleY) * scaleY + view.y;
    one.element.setAttribute("transform", `translate(${x} ${y})`);
    const box = { left: x + 4, right: x + one.width, top: y - FONT / 2 - 1, bottom: y + FONT / 2 + 1 };
    const free = taken.every((other) => box.left > other.right || box.right < other.left || box.top > other.bottom || box.bottom < other.top);
    one.label.toggleAttribute("hidden", !free);
    one.element.classList.toggle("map-unnamed", !free);
    if (free) taken.push(box);
  });
}

function takeKeys(frame, { zoom, pan, reset }) {
  const steps = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
  frame.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) pan(...steps[event.key]);
    else if (event.key === "+" || event.key === "=") zoom(STEP);
    else if (event.key === "-") zoom(1 / STEP);
    else if (event.key === "0" || event.key === "Home") reset();
    else return;
    event.preventDefault();
  });
}

function takePointers(frame, { zoom, pan, choose }) {
  const held = new Map();
  let moved = 0;
  const spread = () => {
    const [a, b] = [...held.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };
  frame.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== frame) return; // otherwise the page scrolls
    event.preventDefault();
    const box = frame.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
  });
  frame.addEventListener("pointerdown", (event) => {
    if (held.size === 0) moved = 0;
    held.set(event.pointerId, { x: event.clientX, y: event.clientY, word: event.target.closest("[data-word]")?.dataset.word });
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const wide = held.size === 2 ? spread() : 0;
    const [x, y] = [event.clientX - before.x, event.clientY - before.y];
    Object.assign(before, { x: event.clientX, y: event.clientY });
    moved += Math.abs(x) + Math.abs(y);
    if (held.size === 1) pan(x, y);
    else if (wide) zoom(spread() / wide);
  });
  const release = (event) => {
    const last = held.get(event.pointerId);
    held.delete(event.pointerId);
    if (event.type === "pointerup" && last?.word && moved < 6) choose(last.word);
  };
  frame.addEventListener("pointerup", release);
  frame.addEventListener("pointercancel", release);
}
