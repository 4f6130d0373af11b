// Verify: whether two photos show the same person.

import { get, request } from "../../api.js";
import { verifiedAt } from "../../decisions.js";
import { el, replace } from "../../dom.js";
import { gauge, qualityBar, rateSlider } from "../../gauge.js";
import { t } from "../../i18n.js";
import { dropArea, photoAddress, photoView, takeDrops, takePhotosOfPage } from "../../photos.js";
import { announce, attempt, button, card } from "../../widgets.js";

const SIDES = ["a", "b"];

/** The parts of the page. */
export function openVerify({ signal, kept }) {
  const message = el("div");
  const result = el("div", { class: "verdict" });
  const state = { photos: {}, views: {}, answer: null, curve: null, moved: false };

  const show = () => {
    const { answer, curve } = state;
    if (!answer) return;
    const shown = state.moved && curve ? verifiedAt(answer, curve, slider.rate()) : answer;
    const kind = shown.verified ? "good" : "bad";
    for (const side of SIDES) state.views[side].mark([answer.faces[side]], [{ text: "", kind }]);
    const changed = shown.decision !== answer.decision && el("span", { class: "badge badge-warning" }, t("try.changed", { before: t(`decisions.${answer.decision}`) }));
    replace(
      result,
      el("p", { class: "actions" }, el("strong", { class: `badge badge-${kind}` }, t(`decisions.${shown.decision}`)), changed),
      gauge(shown),
      SIDES.map((side) => qualityBar(answer.faces[side].quality.score)),
    );
  };
  const slider = rateSlider(t("try.targetFmr"), () => {
    state.moved = true;
    kept.rate = slider.rate();
    show();
  });
  slider.input.disabled = true;
  replace(result, el("p", { class: "muted" }, t("try.noPair")));

  const slots = Object.fromEntries(SIDES.map((side) => [side, el("div", { class: "slot" })]));
  const set = (side, photo) => {
    state.photos[side] = photo;
    kept.photos = state.photos;
    state.answer = null;
    replace(result);
    const view = photoView(photoAddress(photo, signal), t(`try.side.${side}`));
    state.views[side] = view;
    replace(slots[side], view.element, button(t("try.otherPhoto"), () => clear(side)));
    if (SIDES.every((one) => state.photos[one])) compare();
  };
  const clear = (side) => {
    delete state.photos[side];
    state.answer = null;
    replace(result);
    replace(slots[side], dropArea(t(`try.side.${side}`), ([photo]) => set(side, photo)));
  };

  let asked = new AbortController();
  signal.addEventListener("abort", () => asked.abort());
  const compare = async () => {
    asked.abort(); // of earlier photos, whose answer would replace that for these
    asked = new AbortController();
    const { signal: own } = asked;
    const form = new FormData();
    form.set("rotate", "auto");
    for (const side of SIDES) form.set(`image_${side}`, state.photos[side]);
    const answer = await attempt(null, message, () => request("POST", "/verify", { form, signal: own }));
    if (!answer || own.aborted) return;
    await Promise.all(SIDES.map((side) => state.views[side].image.decode().catch(() => null)));
    state.answer = answer;
    state.curve ??= await modelCurve(signal);
    slider.input.disabled = answer.target_fmr === null || !state.curve;
    if (!state.moved && answer.target_fmr !== null) slider.set(answer.target_fmr);
    show();
    announce(t(`decisions.${answer.decision}`));
  };

  const before = { ...kept.photos };
  if (kept.rate) {
    slider.set(kept.rate);
    state.moved = true;
  }
  for (const side of SIDES) {
    if (before[side]) set(side, before[side]);
    else clear(side);
    takeDrops(slots[side], ([photo]) => set(side, photo));
  }
  takePhotosOfPage((photos) => {
    const free = SIDES.filter((side) => !state.photos[side]);
    photos.slice(0, 2).forEach((photo, at) => set(free[at] ?? SIDES[1], photo));
  }, signal);
  return el("div", { class: "try-verify" }, el("div", { class: "pair" }, SIDES.map((side) => slots[side])), message, card(t("try.answer"), slider.element, result));
}

/** The calibration curve of the active model. */
async function modelCurve(signal) {
  const { models } = await get("/models", {}, { signal });
  return models.find((one) => one.active)?.manifest.calibration ?? null;
}
