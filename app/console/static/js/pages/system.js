// System: models and engines, requests, decisions, keys, the audit log and erasures.

import { el, replace } from "../dom.js";
import { t } from "../i18n.js";
import { button, pageHeader } from "../widgets.js";
import { openAudit } from "./system/audit.js";
import { openErasures } from "./system/erasures.js";
import { openKeys } from "./system/keys.js";
import { openOverview } from "./system/overview.js";
import { openRequests } from "./system/requests.js";

const PARTS = { overview: openOverview, requests: openRequests, keys: openKeys, audit: openAudit, erasures: openErasures };

export async function open(root, view) {
  const shown = view.parts[0] in PARTS ? view.parts[0] : "overview";
  const go = (name) => () => {
    location.hash = `#/system/${name}`;
  };
  const tabs = Object.keys(PARTS).map((name) => button(t(`system.part.${name}`), go(name), { "aria-pressed": name === shown }));
  const body = el("div", { class: "system" });
  root.append(pageHeader(t("system.title"), t(`system.lead.${shown}`), el("div", { class: "tabs", role: "group", "aria-label": t("system.parts") }, tabs)), body);
  replace(body, await PARTS[shown](view));
}
