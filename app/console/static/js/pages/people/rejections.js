// Faces that are known not to be a person, so that they no longer match.

import { get, part, request, send } from "../../api.js";
import { el, replace } from "../../dom.js";
import { dateTime, t } from "../../i18n.js";
import { filePicker } from "../../photos.js";
import { attempt, button } from "../../widgets.js";

/** The list with a button that adds a photo. */
export function rejectedFaces(person, signal) {
  const path = `/persons/${part(person.person_id)}/not-this`;
  const message = el("div");
  const list = el("ul", { class: "photo-list" });
  const reload = async () => {
    const found = await attempt(null, message, () => get(path, {}, { signal }));
    if (found) replace(list, found.rejections.map(entry), found.rejections.length === 0 && el("li", { class: "muted" }, t("people.noRejections")));
  };
  const entry = (rejection) => {
    const remove = button(t("people.undoRejection"), () => attempt(remove, message, () => send("DELETE", `${path}/${part(rejection.rejection_id)}`, { signal })).then(reload), { kind: "plain" });
    return el("li", { class: "photo-entry" }, el("span", {}, t(rejection.template_id ? "people.rejectedTemplate" : "people.rejectedPhoto", { date: dateTime(rejection.created_at) })), remove);
  };
  const add = ([photo]) => {
    const sent = new FormData();
    sent.set("rotate", "auto");
    sent.set("image", photo);
    attempt(null, message, () => request("POST", path, { form: sent, signal })).then((added) => added && reload());
  };
  reload();
  return [el("p", { class: "hint" }, t("people.rejectionsHint", { name: person.name })), el("div", { class: "actions" }, filePicker(t("people.addRejection"), add)), message, list];
}
