// Collections: the list of galleries and vocabularies, and one of them.

import { get } from "../api.js";
import { el, replace } from "../dom.js";
import { dateTime, number, t } from "../i18n.js";
import { attempt, button, card, pageHeader } from "../widgets.js";
import { createGallery, importGallery, uploadVocabulary } from "./collections/create.js";
import { openCollection } from "./collections/details.js";

export async function open(root, view) {
  if (view.parts[0]) {
    await openCollection(root, view);
    return;
  }
  const problem = el("div");
  const list = el("div");
  const load = async () => {
    const listed = await attempt(null, problem, () => get("/collections", {}, view));
    if (listed) replace(list, table(listed.collections));
  };
  const then = (action) => async () => {
    const name = await action(view.signal);
    if (name) location.hash = `#/collections/${encodeURIComponent(name)}`;
  };
  root.append(
    pageHeader(
      t("collections.title"),
      t("collections.lead"),
      button(t("collections.create"), then(createGallery), { icon: "plus", kind: "primary" }),
      button(t("collections.import"), then(importGallery), { icon: "upload" }),
      button(t("collections.upload"), then(uploadVocabulary), { icon: "words" }),
    ),
    problem,
    list,
  );
  await load();
}

function table(collections) {
  const columns = ["name", "kind", "size", "model", "created"].map((name) => el("th", { scope: "col" }, t(`collections.columns.${name}`)));
  const rows = collections.map((one) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, el("a", { href: `#/collections/${encodeURIComponent(one.name)}`, dir: "auto" }, one.name)),
      el("td", {}, t(`collections.kinds.${one.kind}`)),
      el("td", { class: "number" }, number(one.size)),
      el("td", {}, el("span", { dir: "ltr" }, one.model)),
      el("td", {}, dateTime(one.created_at)),
    ),
  );
  return card(null, el("div", { class: "table-box", tabindex: "0", role: "group", "aria-label": t("collections.title") }, el("table", {}, el("thead", {}, el("tr", {}, columns)), el("tbody", {}, rows))));
}
