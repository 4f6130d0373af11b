// Takes photos from files, drops and the clipboard, and shows them with their faces.

import { el, replace, svg } from "./dom.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";

const POINTS = ["left_eye", "right_eye", "nose", "mouth_left", "mouth_right"];

/** A button that opens the file picker; `take` receives an array of files. */
export function filePicker(text, take, { multiple = false, kind = "" } = {}) {
  const input = el("input", { type: "file", accept: "image/*", multiple, class: "visually-hidden" });
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = ""; // the same file may be chosen again
    if (files.length > 0) take(files);
  });
  return el("label", { class: `button ${kind && `button-${kind}`}` }, input, icon("upload"), el("span", {}, text));
}

/** An area that takes dropped photos and has a file picker; `more` are further controls. */
export function dropArea(text, take, { multiple = false, more = [] } = {}) {
  const picker = filePicker(multiple ? t("photos.chooseSeveral") : t("photos.choose"), take, { multiple, kind: "primary" });
  const area = el("div", { class: "drop" }, el("p", { class: "muted" }, text), el("div", { class: "actions" }, picker, more));
  takeDrops(area, take);
  return area;
}

/** Lets photos be dropped on an element. */
export function takeDrops(element, take) {
  const mark = (over) => element.classList.toggle("drop-over", over);
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  element.addEventListener("dragleave", () => mark(false));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    mark(false);
    const files = [...event.dataTransfer.files];
    if (files.length > 0) take(files);
  });
}

/** Takes photos that are pasted, or dropped beside an area, while the page is open. */
export function takePhotosOfPage(take, signal) {
  const paste = (event) => {
    const files = [...event.clipboardData.files];
    if (files.length === 0) return; // text is pasted into a field
    event.preventDefault();
    take(files);
  };
  const drop = (event) => {
    event.preventDefault(); // otherwise the browser would leave the page and show the file
    const files = [...event.dataTransfer.files];
    if (files.length > 0) take(files);
  };
  document.addEventListener("paste", paste, { signal });
  document.addEventListener("dragover", (event) => event.preventDefault(), { signal });
  document.addEventListener("drop", drop, { signal });
}

/** An address of a photo in the memory of the page, released when the page is left. */
export function photoAddress(photo, signal) {
  const url = URL.createObjectURL(photo);
  signal.addEventListener("abort", () => URL.revokeObjectURL(url), { once: true });
  return url;
}

/** A photo with a layer for faces: {element, image, mark(faces, labels, width, height)}. */
export function photoView(url, description) {
  const image = el("img", { src: url, alt: description });
  const layer = faceLayer();
  const frame = el("div", { class: "photo" }, image, layer.element);
  return { element: frame, image, mark: (faces, labels) => layer.mark(faces, labels, image.naturalWidth, image.naturalHeight) };
}

/**
 * A layer that draws faces over an image or a video: mark(faces, labels, width, height). `labels` has a
 * {text, kind} for each face; the size is that of the image in which the faces were found.
 */
export function faceLayer() {
  const drawing = svg("svg", { class: "faces", preserveAspectRatio: "none", "aria-hidden": "true" });
  const names = el("div", { class: "face-names", "aria-hidden": "true" });
  const mark = (faces, labels, width, height) => {
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    replace(drawing, faces.map((face, at) => shape(face, labels[at], at)));
    replace(names, faces.map((face, at) => nameTag(face, labels[at], width, height)));
  };
  return { element: el("div", { class: "face-layer" }, drawing, names), mark };
}

function shape({ box, landmarks }, label, at) {
  const radius = Math.max(box.width * 0.018, 1);
  const points = POINTS.map((name) => svg("circle", { cx: landmarks[name][0], cy: landmarks[name][1], r: radius }));
  const frame = svg("rect", { x: box.x, y: box.y, width: box.width, height: box.height, rx: box.width * 0.04 });
  return svg("g", { class: `face face-${label.kind}`, "data-face": at + 1 }, frame, points);
}

function nameTag({ box }, label, width, height) {
  const tag = el("span", { dir: "auto", class: `face-name face-name-${label.kind}` }, label.text);
  tag.style.setProperty("left", `${(100 * box.x) / width}%`);
  tag.style.setProperty("top", `${(100 * Math.min(box.y + box.height, height)) / height}%`);
  return tag;
}

/** The part of an image around a face as a JPEG file, with enough margin to find the face again. */
export async function cutOut(image, { x, y, width, height }) {
  const margin = 0.6 * Math.max(width, height);
  const left = Math.max(0, x - margin);
  const top = Math.max(0, y - margin);
  const right = Math.min(image.naturalWidth, x + width + margin);
  const bottom = Math.min(image.naturalHeight, y + height + margin);
  const canvas = el("canvas", { width: Math.round(right - left), height: Math.round(bottom - top) });
  canvas.getContext("2d").drawImage(image, left, top, right - left, bottom - top, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
}
