// Try it: identify, compare and enroll with photos from a file, the clipboard or the camera.

import { get } from "../api.js";
import { el, replace } from "../dom.js";
import { t } from "../i18n.js";
import { preference, setPreference } from "../preferences.js";
import { attempt, button, field, pageHeader, select } from "../widgets.js";
import { openIdentify } from "./try/identify.js";
import { openVerify } from "./try/verify.js";

const MODES = { identify: openIdentify, verify: openVerify };

export async function open(root, view) {
  const problem = el("div");
  const listed = (await attempt(null, problem, () => get("/collections", {}, view))) ?? { collections: [] };
  const galleries = listed.collections.filter((one) => one.kind === "gallery").map((one) => one.name);
  const known = galleries.includes(preference("collection")) ? preference("collection") : galleries[0] ?? "default";
  const state = { collection: known, ...view };
  const mode = view.parts[0] in MODES ? view.parts[0] : "identify";
  const body = el("div", { class: "try-body" });
  const choose = (name) => {
    state.collection = name;
    setPreference("collection", name);
    replace(body, MODES[mode](state));
  };
  const chooser = mode === "identify" && galleries.length > 1 && field(t("try.collection"), select(galleries.map((name) => [name, name]), known, choose));
  root.append(pageHeader(t("try.title"), t(`try.lead.${mode}`), modes(mode)), problem, ...[chooser].filter(Boolean), body);
  replace(body, MODES[mode](state));
}

function modes(mode) {
  const go = (name) => () => {
    location.hash = `#/try/${name}`;
  };
  const tabs = Object.keys(MODES).map((name) => button(t(`try.mode.${name}`), go(name), { "aria-pressed": name === mode }));
  return el("div", { class: "tabs", role: "group", "aria-label": t("try.modes") }, tabs);
}
