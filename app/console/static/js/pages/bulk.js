// Bulk: enrolls the photos of a folder, a folder for each person or names from the files.

import { get } from "../api.js";
import { el, replace } from "../dom.js";
import { chosenPhotos, droppedPhotos, hasFolders, peopleOf } from "../folders.js";
import { t } from "../i18n.js";
import { icon } from "../icons.js";
import { preference, setPreference } from "../preferences.js";
import { attempt, button, card, field, notice, pageHeader, select } from "../widgets.js";
import { startSession } from "./bulk/session.js";

export async function open(root, { signal, kept }) {
  const problem = el("div");
  const plan = el("div");
  const work = el("div");
  root.append(pageHeader(t("bulk.title"), t("bulk.lead")), problem);
  const listed = await attempt(null, problem, () => get("/collections", {}, { signal }));
  if (!listed) return;
  const galleries = listed.collections.filter((one) => one.kind === "gallery").map((one) => one.name);
  const state = { collection: galleries.includes(preference("collection")) ? preference("collection") : galleries[0] ?? "default" };
  const choose = (name) => {
    state.collection = name;
    setPreference("collection", name);
  };
  const take = (photos) => {
    kept.photos = photos;
    kept.session = null;
    replace(work);
    replace(plan, photos.length === 0 ? notice("info", t("bulk.noPhotos")) : planCard(photos, start));
  };
  const start = (people) => {
    replace(plan);
    kept.session = startSession(people, state.collection);
    kept.session.show(work);
  };
  for (const name of ["dragover", "drop"]) {
    document.addEventListener(name, (event) => event.preventDefault(), { signal }); // beside the area
  }
  root.append(
    el("div", { class: "bulk" }, field(t("try.collection"), select(galleries.map((name) => [name, name]), state.collection, choose)), dropFolder(take), plan, work),
  );
  if (kept.session) kept.session.show(work);
  else if (kept.photos) take(kept.photos);
}

function dropFolder(take) {
  const picker = (text, folder, kind) => {
    const input = el("input", { type: "file", multiple: true, webkitdirectory: folder, accept: folder ? null : "image/*", class: "visually-hidden" });
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = "";
      if (files.length > 0) take(chosenPhotos(files));
    });
    return el("label", { class: `button ${kind}` }, input, icon("bulk"), el("span", {}, text));
  };
  const area = el("div", { class: "drop" }, el("p", { class: "muted" }, t("bulk.drop")), el("div", { class: "actions" }, picker(t("bulk.chooseFolder"), true, "button-primary"), picker(t("photos.chooseSeveral"), false, "")));
  const mark = (over) => area.classList.toggle("drop-over", over);
  area.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  area.addEventListener("dragleave", () => mark(false));
  area.addEventListener("drop", async (event) => {
    event.preventDefault();
    mark(false);
    take(await droppedPhotos(event.dataTransfer));
  });
  return area;
}

/** What would be enrolled, with the choice of where the names are from. */
function planCard(photos, start) {
  const shown = el("div");
  let people = [];
  const show = (way) => {
    people = peopleOf(photos, way === "folders");
    const names = people.slice(0, 12).map((one) => el("li", {}, el("bdi", {}, one.name), " ", el("span", { class: "muted number" }, t("bulk.photosOf", { count: one.photos.length }))));
    const more = people.length > 12 && el("li", { class: "muted" }, t("try.more", { count: people.length - 12 }));
    replace(shown, el("p", {}, t("bulk.planned", { count: people.length, photos: photos.length })), el("ul", { class: "plan" }, names, more));
  };
  const way = hasFolders(photos) ? "folders" : "files";
  show(way);
  const choice = select([["folders", t("bulk.way.folders")], ["files", t("bulk.way.files")]], way, show);
  const go = button(t("bulk.start"), () => start(people), { kind: "primary" });
  return card(t("bulk.plan"), field(t("bulk.names"), choice), shown, el("div", { class: "actions" }, go));
}
