// The audit log, newest events first.

import { get } from "../../api.js";
import { el, replace } from "../../dom.js";
import { dateTime, t } from "../../i18n.js";
import { code, table } from "../../table.js";
import { attempt, button, card, field, form, notice } from "../../widgets.js";

const PAGE = 50;

export async function openAudit({ signal }) {
  const message = el("div");
  const list = el("div", { class: "system" });
  const action = el("input", { type: "text", autocomplete: "off", spellcheck: "false", dir: "ltr", pattern: "[a-z_.]*", placeholder: "enroll" });
  const collection = el("input", { type: "text", autocomplete: "off", spellcheck: "false", dir: "ltr" });
  const load = async (before) => {
    const query = { limit: PAGE, before, action: action.value.trim(), collection: collection.value.trim() };
    const page = await attempt(null, message, () => get("/audit", query, { signal }));
    if (!page) return;
    const next = page.next_before !== null && button(t("system.older"), () => load(page.next_before));
    const newest = before && button(t("system.newest"), () => load(null));
    replace(list, !page.enabled && notice("info", t("system.auditOff")), card(null, page.events.length > 0 ? events(page.events) : el("p", { class: "muted" }, t("system.none")), el("div", { class: "actions" }, newest, next)));
  };
  const filter = form(() => load(null), el("div", { class: "filters" }, field(t("system.action"), action), field(t("system.collection"), collection), el("button", { class: "button", type: "submit" }, t("system.filter"))));
  await load(null);
  return [filter, message, list];
}

function events(found) {
  const columns = ["time", "action", "decision", "collection", "person", "key", "address"].map((one) => t(`system.${one}`));
  const rows = found.map((one) => [dateTime(one.time), code(one.action), code(one.decision), one.collection && el("bdi", {}, one.collection), one.person_id && code(one.person_id), one.key_id ? code(one.key_id) : t("system.withoutKey"), one.address && code(one.address)]);
  return table(t("system.part.audit"), columns, rows);
}
