// Identify: the faces of one photo, or of the camera, against the people of a gallery.

import { get, part, request as call, sendPhoto, timingsOf } from "../../api.js";
import { cameraAvailable } from "../../camera.js";
import { identifiedAt } from "../../decisions.js";
import { el, replace } from "../../dom.js";
import { rateSlider } from "../../gauge.js";
import { number, t } from "../../i18n.js";
import { cutOut, dropArea, photoAddress, photoView, takePhotosOfPage } from "../../photos.js";
import { announce, attempt, button, card, notice } from "../../widgets.js";
import { enrollForm } from "./enroll.js";
import { faceCard, faceLabel } from "./faces.js";
import { liveCamera } from "./live.js";

/** The parts of the page for one gallery. */
export function openIdentify({ collection, signal, kept }) {
  const message = el("div");
  const stage = el("div", { class: "stage" });
  const results = el("div", { class: "results" });
  const timings = el("div");
  const state = { answer: null, curve: null, photo: null, view: null, moved: false };

  const show = () => {
    const { answer, curve, view } = state;
    if (!answer) return;
    const shown = state.moved && curve ? identifiedAt(answer, curve, slider.rate()) : answer;
    view.mark(shown.faces.map((one) => one.face), shown.faces.map(faceLabel));
    replace(results, shown.faces.length === 0 && notice("info", t("try.noFace")), shown.faces.map((face, at) => faceCard(face, answer.faces[at].decision, at, { enroll: enrollment(face), reject: rejection(face) })));
  };
  const slider = rateSlider(t("try.targetFpir"), () => {
    state.moved = true;
    kept.rate = slider.rate();
    show();
  });
  slider.input.disabled = true;
  replace(results, el("p", { class: "muted" }, t("try.noAnswer")));

  const enrollment = (face) => () =>
    enrollForm({ collection, face, signal, photo: state.photo, image: state.view.image, alone: state.answer.faces.length === 1, done: () => identify(state.photo) });

  const rejection = (face) => async () => {
    const sent = new FormData();
    sent.set("face", "largest");
    sent.set("rotate", "auto");
    sent.set("image", state.answer.faces.length === 1 ? state.photo : await cutOut(state.view.image, face.face.box), "photo.jpg");
    const path = `/persons/${part(face.person.person_id)}/not-this`;
    if (await attempt(null, message, () => call("POST", path, { form: sent, signal }))) await identify(state.photo);
  };

  let asked = new AbortController();
  signal.addEventListener("abort", () => asked.abort());
  const identify = async (photo, before = null) => {
    asked.abort(); // of an earlier photo, whose answer would replace this one's
    asked = new AbortController();
    const { signal: own } = asked;
    const view = photoView(photoAddress(photo, signal), t("try.photo"));
    replace(stage, view.element);
    replace(results);
    results.setAttribute("aria-busy", "true");
    const answered = await attempt(null, message, () => request(photo, collection, view.image, own, before));
    if (own.aborted) return;
    results.removeAttribute("aria-busy");
    if (!answered) return;
    Object.assign(state, { answer: answered.answer, photo, view });
    Object.assign(kept, { photo, collection, answered });
    state.curve ??= await curveOf(collection, signal);
    adjust();
    replace(timings, timingList(answered.timings, answered.answer));
    show();
    announce(t("try.found", { count: answered.answer.faces.length }));
  };

  const adjust = () => {
    const { target_fpir: target } = state.answer;
    slider.input.disabled = target === null || !state.curve;
    if (!state.moved && target !== null) slider.set(target);
  };
  if (kept.rate) {
    slider.set(kept.rate);
    state.moved = true;
  }

  const take = ([photo]) => identify(photo);
  const camera = button(t("photos.camera"), () => replace(stage, liveCamera({ collection, signal, take: identify, message })), { icon: "camera" });
  takePhotosOfPage(take, signal);
  if (kept.photo) identify(kept.photo, kept.collection === collection ? kept.answered : null);
  const input = dropArea(t("photos.drop"), take, { more: [cameraAvailable() && camera] });
  return el("div", { class: "try-grid" }, el("div", { class: "try-photo" }, input, message, stage, timings), el("div", { class: "try-answer" }, card(t("try.answer"), slider.element, results)));
}

/** The answer with its timings; `before` is that of the photo before the page was built again. */
async function request(photo, collection, image, signal, before) {
  const answered = before ?? (await ask(photo, collection, signal));
  await image.decode().catch(() => null); // a format that only the service can read
  return answered;
}

async function ask(photo, collection, signal) {
  const response = await sendPhoto("/identify", photo, { collection, rotate: "auto" }, { signal });
  return { answer: await response.json(), timings: timingsOf(response) };
}

/** The calibration curve in force, null if the key may not read it. */
async function curveOf(collection, signal) {
  const found = await attempt(null, null, () => get(`/collections/${part(collection)}`, {}, { signal }));
  return found?.decisions?.calibration.curve ?? null;
}

function timingList(timings, answer) {
  const parts = timings.map(([name, milliseconds]) => el("li", {}, t("try.stage", { name: t(`try.stages.${name}`), milliseconds: number(milliseconds, milliseconds < 10 ? 1 : 0) })));
  return el("div", { class: "timings hint" }, el("ul", { "aria-label": t("try.timings") }, parts), el("p", {}, t("try.gallery", { count: answer.gallery_size, model: answer.model })));
}
