// The progress of a bulk enrollment: numbers, a bar, and the refused photos with their reasons.

import { el, replace } from "../../dom.js";
import { t } from "../../i18n.js";
import { button, card, problemText, reasonText } from "../../widgets.js";

const SHOWN = 500; // refused photos

/** {element, report(photo, outcome), finish(stopped, again)}. */
export function progressView(people, stop) {
  const total = people.reduce((sum, one) => sum + one.photos.length, 0);
  const counts = { enrolled: 0, before: 0, refused: 0 };
  const bar = el("progress", { max: total, value: 0, "aria-label": t("bulk.progress") });
  const numbers = el("p", { class: "badges" });
  const refused = el("tbody");
  const refusals = el("div", { hidden: true }, el("h3", {}, t("bulk.refusedPhotos")), el("div", { class: "table-box", tabindex: "0", role: "group", "aria-label": t("bulk.refusedPhotos") }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("bulk.photo")), el("th", { scope: "col" }, t("bulk.reason")))), refused)));
  const actions = el("div", { class: "actions" }, button(t("bulk.stop"), stop));
  const message = el("p", { role: "status" });
  const show = () => {
    bar.value = counts.enrolled + counts.before + counts.refused;
    const badge = (kind, name) => counts[name] > 0 && el("span", { class: `badge badge-${kind}` }, t(`bulk.counts.${name}`, { count: counts[name] }));
    replace(numbers, badge("good", "enrolled"), badge("info", "before"), badge("bad", "refused"), el("span", { class: "muted number" }, t("bulk.of", { done: bar.value, total })));
  };
  const report = (photo, { kind, problem }) => {
    counts[kind] += 1;
    if (problem && counts.refused <= SHOWN) {
      refusals.hidden = false;
      refused.append(row(photo, problem));
    }
    show();
  };
  const finish = (stopped, again) => {
    message.textContent = t(stopped ? "bulk.stopped" : "bulk.finished", { count: counts.enrolled });
    replace(actions, (stopped || counts.refused > 0) && button(t(stopped ? "bulk.continue" : "bulk.again"), again), el("a", { class: "button", href: "#/people" }, t("people.title")));
  };
  show();
  return { element: card(t("bulk.progress"), bar, numbers, message, actions, refusals), report, finish };
}

function row(photo, problem) {
  const reasons = (problem.body.reasons ?? []).map((one) => el("li", {}, reasonText(one)));
  return el("tr", {}, el("td", {}, el("bdi", {}, photo.path)), el("td", {}, problemText(problem), reasons.length > 0 && el("ul", {}, reasons)));
}
