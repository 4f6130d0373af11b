// People: the people of a gallery, one person, likely duplicates, visitors.

import { get } from "../api.js";
import { el } from "../dom.js";
import { t } from "../i18n.js";
import { preference, setPreference } from "../preferences.js";
import { attempt, button, field, pageHeader, select } from "../widgets.js";
import { openDuplicates } from "./people/duplicates.js";
import { openList } from "./people/list.js";
import { openPerson } from "./people/person.js";
import { openVisitors } from "./people/visitors.js";

const TABS = { list: openList, duplicates: openDuplicates, visitors: openVisitors };

export async function open(root, view) {
  if (view.parts.length > 0) {
    await openPerson(root, view.parts[0], view.signal);
    return;
  }
  const problem = el("div");
  const listed = await attempt(null, problem, () => get("/collections", {}, view));
  const galleries = (listed?.collections ?? []).filter((one) => one.kind === "gallery");
  const wanted = view.query.get("collection") ?? preference("collection");
  const gallery = galleries.find((one) => one.name === wanted) ?? galleries[0];
  const tab = view.query.get("show") in TABS ? view.query.get("show") : "list";
  root.append(pageHeader(t("people.title"), t("people.lead")), problem);
  if (!gallery) return;
  root.append(el("div", { class: "people-bar" }, chooser(galleries, gallery, tab), tabs(gallery, tab)));
  const body = el("div", { class: "people-body" });
  root.append(body);
  await TABS[tab](body, { gallery, query: view.query, signal: view.signal });
}

/** The address of a list of the page. */
function address(collection, tab) {
  return `#/people?${new URLSearchParams({ collection, show: tab })}`;
}

function chooser(galleries, gallery, tab) {
  const choose = (name) => {
    setPreference("collection", name);
    location.hash = address(name, tab);
  };
  return field(t("people.collection"), select(galleries.map((one) => [one.name, one.name]), gallery.name, choose));
}

function tabs(gallery, tab) {
  const shown = Object.keys(TABS).filter((name) => name !== "visitors" || gallery.visitors);
  const go = (name) => () => {
    location.hash = address(gallery.name, name);
  };
  const buttons = shown.map((name) => button(t(`people.tab.${name}`), go(name), { "aria-pressed": name === tab }));
  return el("div", { class: "tabs", role: "group", "aria-label": t("people.tabs") }, buttons);
}
