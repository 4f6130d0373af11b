// The latest erasure receipts.

import { get } from "../../api.js";
import { el } from "../../dom.js";
import { dateTime, number, t } from "../../i18n.js";
import { code, table } from "../../table.js";
import { attempt, card } from "../../widgets.js";

export async function openErasures({ signal }) {
  const message = el("div");
  const found = await attempt(null, message, () => get("/erasures", { limit: 100 }, { signal }));
  if (!found) return message;
  const columns = ["erasedAt", "collection", "templates", "photos", "completed", "receipt"].map((one) => t(`system.${one}`));
  const rows = found.erasures.map((one) => [dateTime(one.erased_at), el("bdi", {}, one.collection), number(one.templates), number(one.photos), completed(one), code(one.id)]);
  return card(null, rows.length > 0 ? table(t("system.part.erasures"), columns, rows) : el("p", { class: "muted" }, t("system.noErasures")));
}

function completed({ completed_at: at, complete_by: by }) {
  if (at) return el("span", { class: "badge badge-good" }, dateTime(at));
  return el("span", { class: "badge badge-info" }, t("system.expected", { time: dateTime(by) }));
}
