// Enrolls a face that was identified.

import { request } from "../../api.js";
import { el, replace } from "../../dom.js";
import { t } from "../../i18n.js";
import { cutOut } from "../../photos.js";
import { announce, button, field, form, notice, problemNotice } from "../../widgets.js";

/**
 * A form that enrolls one face. `alone` is whether the photo shows no other face: the whole photo is sent
 * then, else the part of it around the face. `done` is called after the enrollment.
 */
export function enrollForm({ collection, face, signal, photo, image, alone, done }) {
  const name = el("input", { type: "text", required: true, maxlength: 200, autocomplete: "off" });
  const externalId = el("input", { type: "text", maxlength: 200, autocomplete: "off" });
  const message = el("div");
  const submit = el("button", { type: "submit", class: "button button-primary" }, t("enroll.enroll"));

  const enroll = async (fields) => {
    submit.disabled = true;
    try {
      const sent = new FormData();
      for (const [key, value] of Object.entries({ collection, ...fields })) if (value) sent.set(key, value);
      sent.set("face", "largest");
      sent.set("rotate", "auto"); // as it was identified
      sent.set("image", alone ? photo : await cutOut(image, face.face.box), "photo.jpg");
      const enrolled = await request("POST", "/enroll", { form: sent, signal });
      announce(t("enroll.done", { name: enrolled.name }));
      await done();
    } catch (error) {
      if (error.name !== "AbortError") replace(message, problemNotice(error), choices(error, enroll, name));
    } finally {
      submit.disabled = false;
    }
  };

  return form(
    () => enroll({ name: name.value.trim(), external_id: externalId.value.trim() }),
    !alone && notice("info", t("enroll.part")),
    field(t("enroll.name"), name),
    field(t("enroll.externalId"), externalId, t("enroll.externalIdHint")),
    message,
    el("div", { class: "actions" }, submit),
  );
}

/** What may be done about a face that is enrolled as somebody, or that resembles somebody. */
function choices(error, enroll, name) {
  const known = error.body.person;
  if (error.code !== "already_enrolled" || !known) return null;
  const add = button(t("enroll.addTo", { name: known.name }), () => enroll({ person_id: known.person_id }));
  const other = button(t("enroll.otherPerson"), () => enroll({ name: name.value.trim(), on_duplicate: "allow" }), { kind: "danger" });
  return el("div", { class: "actions" }, add, other);
}
