// One person: name and data, photos, faces that are somebody else, merging and erasing.

import { get, part, request, send } from "../../api.js";
import { el, replace } from "../../dom.js";
import { dateTime, t } from "../../i18n.js";
import { announce, attempt, button, card, confirm, field, form, notice, pageHeader, problemText } from "../../widgets.js";
import { avatar } from "./avatar.js";
import { bestCrop, cropLoader } from "./crops.js";
import { personPhotos } from "./photos.js";
import { pickPerson } from "./picker.js";
import { showReceipt } from "./receipt.js";
import { rejectedFaces } from "./rejections.js";

export async function openPerson(root, personId, signal) {
  const message = el("div");
  const person = await attempt(null, message, () => get(`/persons/${part(personId)}`, {}, { signal }));
  if (!person) {
    root.append(pageHeader(t("people.person")), message);
    return;
  }
  const heading = el("div", { class: "person-heading" });
  const showCrop = cropLoader(signal);
  const shown = { person, crop: null };
  const picture = () => showCrop(avatar(shown.person, "large"), person.person_id, shown.crop);
  const header = (one) => pageHeader(one.name, t("people.in", { collection: one.collection, date: dateTime(one.created_at) }), ...actions(one, message, signal));
  const title = (one) => {
    shown.person = one;
    replace(heading, picture(), header(one));
  };
  const photosChanged = (photos) => {
    shown.crop = bestCrop(photos);
    heading.querySelector(".avatar").replaceWith(picture());
  };
  title(person);
  root.append(
    el("p", {}, el("a", { href: `#/people?${new URLSearchParams({ collection: person.collection })}` }, t("people.all"))),
    heading,
    message,
    el("div", { class: "columns" }, card(t("people.data"), dataForm(person, title, signal)), card(t("people.rejections"), rejectedFaces(person, signal))),
    await personPhotos(person, { showCrop, photosChanged, signal }),
  );
}

function actions(person, message, signal) {
  const merge = button(t("people.merge"), () => mergeInto(person, message, signal));
  const erase = button(t("people.erase"), () => erasePerson(person, message, signal), { icon: "trash", kind: "danger" });
  return [merge, erase];
}

function dataForm(person, changed, signal) {
  const name = el("input", { type: "text", dir: "auto", required: true, maxlength: 200, value: person.name, autocomplete: "off" });
  const externalId = el("input", { type: "text", dir: "auto", maxlength: 200, value: person.external_id ?? "", autocomplete: "off" });
  const metadata = el("textarea", { rows: 4, spellcheck: "false", class: "mono", dir: "ltr" });
  metadata.value = JSON.stringify(person.metadata, null, 2);
  const message = el("div");
  const submit = el("button", { type: "submit", class: "button button-primary" }, t("common.save"));
  const save = async () => {
    let data;
    try {
      data = JSON.parse(metadata.value || "{}");
    } catch {
      replace(message, notice("bad", t("people.metadataInvalid")));
      return;
    }
    const json = { name: name.value.trim(), external_id: externalId.value.trim() || null, metadata: data };
    const saved = await attempt(submit, message, () => request("PATCH", `/persons/${part(person.person_id)}`, { json, signal }));
    if (!saved) return;
    changed(saved);
    replace(message, notice("good", t("people.saved")));
  };
  return form(save, field(t("enroll.name"), name), field(t("enroll.externalId"), externalId), field(t("people.metadata"), metadata, t("people.metadataHint")), message, el("div", { class: "actions" }, submit));
}

/** Moves all photos to another person whom the user picks, who remains. */
async function mergeInto(person, message, signal) {
  const other = await pickPerson(t("people.mergeTitle", { name: person.name }), t("people.mergeText"), person, signal);
  if (!other) return;
  const merge = (mismatch) => request("POST", `/persons/${part(person.person_id)}/merge`, { json: { into: other.person_id, on_mismatch: mismatch }, signal });
  await attempt(null, message, async () => {
    let merged;
    try {
      merged = await merge("reject");
    } catch (error) {
      if (error.code !== "different_person") throw error;
      if (!(await confirm(t("people.mergeTitle", { name: person.name }), problemText(error), t("people.mergeAnyway")))) return;
      merged = await merge("allow");
    }
    announce(t("people.merged", { name: merged.name }));
    location.hash = `#/people/${part(merged.person_id)}`;
  });
}

/** Erases a person after a question, and shows the receipt. */
async function erasePerson(person, message, signal) {
  const sure = await confirm(t("people.eraseTitle", { name: person.name }), t("people.eraseText"), t("people.erase"));
  if (!sure) return;
  await attempt(null, message, async () => {
    const response = await send("DELETE", `/persons/${part(person.person_id)}`, { signal });
    const receipt = await get(`/erasures/${part(response.headers.get("Sima-Erasure"))}`, {}, { signal });
    await showReceipt(receipt);
    location.hash = `#/people?${new URLSearchParams({ collection: person.collection })}`;
  });
}
