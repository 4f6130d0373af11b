// The camera: a photo of it, or its frames identified at a few a second.

import { Problem, sendPhoto } from "../../api.js";
import { openCamera } from "../../camera.js";
import { el, replace } from "../../dom.js";
import { t } from "../../i18n.js";
import { faceLayer } from "../../photos.js";
import { button, notice, problemNotice } from "../../widgets.js";
import { faceLabel } from "./faces.js";

const FRAME_MILLISECONDS = 250;
const LONGEST_SIDE = 640;

/** The camera with its controls; `take` receives a photo of it. */
export function liveCamera({ collection, signal, take, message }) {
  const place = el("div", { class: "camera" });
  start(place, { collection, signal, take, message });
  return place;
}

async function start(place, { collection, signal, take, message }) {
  let camera;
  const stopped = () => replace(place, notice("info", t("photos.cameraStopped")));
  try {
    camera = await openCamera(signal, stopped);
  } catch (error) {
    replace(message, notice("bad", error.message));
    return;
  }
  const layer = faceLayer();
  const still = async () => {
    const photo = await camera.photo();
    camera.stop();
    take(photo);
  };
  const live = button(t("photos.live"), () => {
    const on = live.getAttribute("aria-pressed") !== "true";
    live.setAttribute("aria-pressed", on);
    if (on) run(camera, live, layer, collection, signal).catch((error) => end(error));
  }, { "aria-pressed": "false" });
  const end = (error) => {
    live.setAttribute("aria-pressed", "false");
    if (error.name !== "AbortError") replace(message, problemNotice(error));
  };
  const controls = el("div", { class: "actions" }, button(t("photos.takePhoto"), still, { icon: "camera", kind: "primary" }), live, button(t("photos.stopCamera"), () => camera.stop()));
  replace(place, el("div", { class: "photo" }, camera.video, layer.element), controls, el("p", { class: "hint" }, t("photos.liveHint")));
}

/** Identifies one frame after the other while the camera runs and the button is pressed. */
async function run(camera, live, layer, collection, signal) {
  while (camera.running && live.getAttribute("aria-pressed") === "true") {
    const began = performance.now();
    const frame = await camera.photo(LONGEST_SIDE);
    const size = await createImageBitmap(frame);
    const answer = await identify(frame, collection, signal);
    if (!camera.running) return;
    if (answer) layer.mark(answer.faces.map((one) => one.face), answer.faces.map(faceLabel), size.width, size.height);
    size.close();
    await pause(Math.max(0, FRAME_MILLISECONDS - (performance.now() - began)));
  }
  layer.mark([], [], 1, 1);
}

/** The answer for a frame; null if the service has no time for it. */
async function identify(frame, collection, signal) {
  try {
    const response = await sendPhoto("/identify", frame, { collection, top_k: 2 }, { signal });
    return await response.json();
  } catch (error) {
    if (!(error instanceof Problem) || ![429, 503].includes(error.status)) throw error;
    await pause(1000);
    return null;
  }
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
