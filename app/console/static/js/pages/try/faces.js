// Shows what the service says about one face.

import { el } from "../../dom.js";
import { gauge, qualityBar } from "../../gauge.js";
import { number, t } from "../../i18n.js";
import { button, reasonText } from "../../widgets.js";

const KINDS = { match: "good", unknown: "info", ambiguous: "warning" };

/** The label of a face over the photo. */
export function faceLabel({ decision, person }, at) {
  const name = person ? person.name : t(`decisions.${decision}`);
  return { text: `${number(at + 1)} · ${name}`, kind: KINDS[decision] };
}

/**
 * A face with its decision, its nearest people and its quality. `enroll` returns a form that enrolls it;
 * `reject` records that it is not the person of a match.
 */
export function faceCard({ face, decision, person, candidates, visitor_id: visitor }, before, at, { enroll, reject }) {
  const title = person ? personLink(person) : t(`try.title_of.${decision}`);
  const badge = el("span", { class: `badge badge-${KINDS[decision]}` }, t(`decisions.${decision}`));
  const changed = before !== decision && el("span", { class: "badge badge-warning" }, t("try.changed", { before: t(`decisions.${before}`) }));
  return el(
    "article",
    { class: "face-card", "data-face": at + 1 },
    el("header", {}, el("span", { class: "face-number number" }, number(at + 1)), el("h3", {}, title), badge, changed),
    candidates.length > 0 ? nearest(candidates, person) : el("p", { class: "hint" }, t("try.nobody")),
    visitor && el("p", { class: "hint" }, t("try.visitor", { id: visitor })),
    qualityBar(face.quality.score),
    face.quality.reasons.length > 0 && el("ul", { class: "hint" }, face.quality.reasons.map((reason) => el("li", {}, reasonText(reason)))),
    enrollPart(decision, enroll, person && button(t("try.notThis", { name: person.name }), reject, { kind: "plain" })),
  );
}

function personLink(person) {
  return el("a", { href: `#/people/${encodeURIComponent(person.person_id)}` }, person.name);
}

/** The nearest people. The heading already names the first one of a match; further ones are folded. */
function nearest(candidates, person) {
  const entries = candidates.map((one, at) => el("li", {}, !(person && at === 0) && personLink(one), gauge(one)));
  const [first, ...others] = entries;
  const more = others.length > 0 && el("details", {}, el("summary", {}, t("try.more", { count: others.length })), el("ol", { class: "candidates" }, others));
  return el("div", { class: "candidates" }, el("ol", { class: "candidates" }, first), more);
}

function enrollPart(decision, enroll, other) {
  const place = el("div", { class: "enroll" });
  const start = button(t("enroll.start"), () => {
    place.replaceChildren(enroll());
    place.querySelector("input")?.focus();
  }, { icon: "plus", kind: decision === "unknown" ? "" : "plain" });
  place.append(el("div", { class: "actions" }, start, other));
  return place;
}
