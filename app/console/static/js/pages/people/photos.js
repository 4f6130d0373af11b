// The photos of a person: their quality, adding, moving and removing them.

import { get, part, request, send } from "../../api.js";
import { el, replace } from "../../dom.js";
import { qualityBar } from "../../gauge.js";
import { dateTime, t } from "../../i18n.js";
import { dropArea, photoAddress, takePhotosOfPage } from "../../photos.js";
import { attempt, button, card, confirm, field, form, notice, problemNotice, problemText, reasonText } from "../../widgets.js";
import { pickPerson } from "./picker.js";
import { showReceipt } from "./receipt.js";

/** The section with the photos. `photosChanged` receives them whenever they were loaded. */
export async function personPhotos(person, { showCrop, photosChanged, signal }) {
  const message = el("div");
  const list = el("ul", { class: "photo-list" });
  const reload = async () => {
    const found = await attempt(null, message, () => get(`/persons/${part(person.person_id)}/photos`, {}, { signal }));
    if (!found) return;
    const entries = found.photos.map((photo) => photoEntry(person, photo, { message, reload, showCrop, signal }));
    photosChanged(found.photos);
    replace(list, entries, entries.length === 0 && el("li", { class: "empty" }, t("people.noPhotos")));
  };
  const results = el("ul", { class: "upload-results", "aria-live": "polite" });
  const add = async (photos) => {
    for (const photo of photos) await addPhoto(person, photo, results, reload, signal);
  };
  takePhotosOfPage(add, signal);
  await reload();
  return card(t("people.photosTitle"), dropArea(t("people.addPhotos"), add, { multiple: true }), results, message, list);
}

/** Adds one photo and says below the area what became of it. */
async function addPhoto(person, photo, results, reload, signal) {
  const entry = el("li", {}, notice("info", t("people.adding", { file: photo.name })));
  results.prepend(entry);
  const enroll = async (mismatch) => {
    const sent = new FormData();
    for (const [name, value] of Object.entries({ collection: person.collection, person_id: person.person_id, on_mismatch: mismatch, rotate: "auto" })) sent.set(name, value);
    sent.set("image", photo);
    try {
      await request("POST", "/enroll", { form: sent, signal });
      replace(entry, notice("good", t("people.added", { file: photo.name })));
      await reload();
    } catch (error) {
      if (error.name === "AbortError") return;
      const anyway = error.code === "different_person" && button(t("people.addAnyway"), () => enroll("allow"));
      replace(entry, el("strong", { dir: "auto" }, photo.name), problemNotice(error), anyway);
    }
  };
  await enroll("reject");
}

function photoEntry(person, photo, { message, reload, showCrop, signal }) {
  const path = `/persons/${part(person.person_id)}/photos/${part(photo.template_id)}`;
  const picture = el("div", { class: "stored-photo" });
  const show = button(t("people.showPhoto"), () => showPhoto(path, picture, show, signal), { kind: "plain" });
  const move = button(t("people.move"), () => movePhoto(person, path, message, reload, signal), { kind: "plain" });
  const remove = button(t("people.remove"), () => removePhoto(path, message, reload, signal), { kind: "plain", icon: "trash" });
  const crop = photo.crop && showCrop(el("div", { class: "photo-crop" }), person.person_id, photo.template_id, t("people.crop"));
  const reasons = photo.face?.quality.reasons ?? [];
  return el(
    "li",
    { class: "photo-entry", dataset: { template: photo.template_id } },
    crop,
    el("div", { class: "photo-facts" }, photo.quality !== null && qualityBar(photo.quality), el("p", { class: "hint" }, [dateTime(photo.created_at), photo.source, photo.image_id].filter(Boolean).join(" · "))),
    reasons.length > 0 && el("ul", { class: "hint" }, reasons.map((reason) => el("li", {}, reasonText(reason)))),
    el("div", { class: "actions" }, show, move, remove),
    picture,
  );
}

/** Photos are kept only where the operator has switched it on; otherwise the service says that it has none. */
async function showPhoto(path, picture, show, signal) {
  try {
    const response = await send("GET", `${path}/image`, { signal });
    const url = photoAddress(await response.blob(), signal);
    replace(picture, el("img", { src: url, alt: t("people.storedPhoto") }));
    show.remove();
  } catch (error) {
    if (error.name === "AbortError") return;
    replace(picture, error.code === "photo_not_found" ? notice("info", t("people.photoNotKept")) : problemNotice(error));
  }
}

/** Moves a photo to a person whom the user picks, or to a new one. */
async function movePhoto(person, path, message, reload, signal) {
  const target = await pickPerson(t("people.moveTitle"), t("people.moveText"), person, signal, newPerson);
  if (!target) return;
  const to = target.person_id ? { person_id: target.person_id } : { name: target.name };
  const move = (mismatch) => request("PATCH", path, { json: { ...to, on_mismatch: mismatch }, signal });
  await attempt(null, message, async () => {
    try {
      await move("reject");
    } catch (error) {
      if (error.code !== "different_person") throw error;
      if (!(await confirm(t("people.moveTitle"), problemText(error), t("people.moveAnyway")))) return;
      await move("allow");
    }
    await reload();
  });
}

function newPerson(close) {
  const name = el("input", { type: "text", required: true, maxlength: 200, autocomplete: "off" });
  const submit = el("button", { type: "submit", class: "button" }, t("people.moveToNew"));
  return form(() => close({ name: name.value.trim() }), field(t("people.newPerson"), name), el("div", { class: "actions" }, submit));
}

async function removePhoto(path, message, reload, signal) {
  if (!(await confirm(t("people.removeTitle"), t("people.removeText"), t("people.remove")))) return;
  await attempt(null, message, async () => {
    const response = await send("DELETE", path, { signal });
    const receipt = response.headers.get("Sima-Erasure");
    await reload();
    if (receipt) await showReceipt(await get(`/erasures/${part(receipt)}`, {}, { signal }));
  });
}
