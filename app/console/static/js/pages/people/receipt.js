// The receipt of an erasure.

import { el } from "../../dom.js";
import { dateTime, number, t } from "../../i18n.js";
import { button, dialog } from "../../widgets.js";

/** Shows a receipt until the user closes it. */
export function showReceipt(receipt) {
  const facts = [
    ["receipt.id", el("code", {}, receipt.id)],
    ["receipt.collection", receipt.collection],
    ["receipt.templates", number(receipt.templates)],
    ["receipt.photos", number(receipt.photos)],
    ["receipt.crops", number(receipt.crops)],
    ["receipt.erasedAt", dateTime(receipt.erased_at)],
    receipt.completed_at ? ["receipt.completedAt", dateTime(receipt.completed_at)] : ["receipt.completeBy", dateTime(receipt.complete_by)],
    ["receipt.subject", el("code", {}, receipt.subject)],
    ["receipt.digest", el("code", {}, receipt.digest)],
  ];
  const rows = facts.map(([key, value]) => [el("dt", {}, t(key)), el("dd", {}, value)]);
  return dialog(t("receipt.title"), (close) => [
    el("p", {}, t("receipt.text")),
    el("dl", { class: "facts" }, rows),
    el("div", { class: "actions" }, button(t("common.close"), () => close(), { kind: "primary" })),
  ]);
}
