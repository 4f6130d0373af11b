// Visitors: people who were seen in a gallery and are not enrolled.

import { get, part, request, send } from "../../api.js";
import { el, replace } from "../../dom.js";
import { dateTime, t } from "../../i18n.js";
import { attempt, button, dialog, field, form } from "../../widgets.js";

const PAGE = 50;

export async function openVisitors(root, { gallery, signal }) {
  const path = `/collections/${part(gallery.name)}/visitors`;
  const message = el("div");
  const list = el("ul", { class: "photo-list" });
  const end = el("div");
  const load = async (cursor) => {
    const page = await attempt(null, message, () => get(path, { limit: PAGE, cursor }, { signal }));
    if (!page) return;
    const entries = page.visitors.map((visitor) => visitorEntry(path, visitor, message, signal));
    if (cursor) list.append(...entries);
    else replace(list, entries, entries.length === 0 && el("li", { class: "empty" }, t("visitors.nobody")));
    replace(end, page.next_cursor && button(t("people.more"), () => load(page.next_cursor)));
  };
  root.append(el("p", { class: "hint" }, t("visitors.hint", { days: gallery.visitors?.days ?? 0 })), message, list, end);
  await load(null);
}

function visitorEntry(path, visitor, message, signal) {
  const own = `${path}/${part(visitor.visitor_id)}`;
  const enroll = async () => {
    const json = await askName();
    if (!json) return;
    const person = await attempt(null, message, () => request("POST", `${own}/promote`, { json, signal }));
    if (person) location.hash = `#/people/${part(person.person_id)}`;
  };
  const remove = async () => {
    const removed = await attempt(null, message, () => send("DELETE", own, { signal }));
    if (removed) entry.remove();
  };
  const seen = t("visitors.seen", { first: dateTime(visitor.first_seen_at), last: dateTime(visitor.last_seen_at), until: dateTime(visitor.expires_at) });
  const entry = el("li", { class: "photo-entry" }, el("div", {}, el("code", {}, visitor.visitor_id), el("p", { class: "hint" }, seen)), el("div", { class: "actions" }, button(t("visitors.enroll"), enroll), button(t("common.delete"), remove, { kind: "plain", icon: "trash" })));
  return entry;
}

function askName() {
  return dialog(t("visitors.enroll"), (close) => {
    const name = el("input", { type: "text", required: true, maxlength: 200, autocomplete: "off" });
    const submit = el("button", { type: "submit", class: "button button-primary" }, t("enroll.enroll"));
    return form(() => close({ name: name.value.trim() }), field(t("enroll.name"), name), el("div", { class: "actions" }, submit));
  });
}
