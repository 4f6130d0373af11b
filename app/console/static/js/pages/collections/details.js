// One collection: how it decides, its options, calibration, export, change of model, deletion.

import { get, part, request, send } from "../../api.js";
import { curveFigure } from "../../curve.js";
import { el, replace } from "../../dom.js";
import { dateTime, number, oneIn, percent, t } from "../../i18n.js";
import { announce, attempt, button, card, confirm, form, notice, pageHeader } from "../../widgets.js";
import { optionFields, optionsOf } from "./options.js";

const RECEIPT = "Sima-Erasure";

export async function openCollection(root, { parts: [name], signal }) {
  const problem = el("div");
  const body = el("div", { class: "collection" });
  const path = `/collections/${part(name)}`;
  const back = el("a", { href: "#/collections", class: "button button-plain" }, t("collections.all"));
  root.append(pageHeader(name, t("collections.leadOne"), back), problem, body);
  const show = (found) => replace(body, found.kind === "gallery" ? gallery(found, { path, show, signal }) : vocabulary(found, { path, signal }));
  const found = await attempt(null, problem, () => get(path, {}, { signal }));
  if (found) show(found);
}

function gallery(found, page) {
  return [
    el("div", { class: "columns" }, facts(found), options(found, page)),
    found.decisions ? calibration(found, page) : notice("warning", t("collections.otherModel", { model: found.model })),
    el("div", { class: "columns" }, model(found), transfer(found, page), deletion(found, page)),
  ];
}

function vocabulary(found, page) {
  return el("div", { class: "columns" }, facts(found), deletion(found, page));
}

function list(rows) {
  return el("dl", { class: "facts" }, rows.filter(Boolean).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function facts(found) {
  const operation = (one) => t(one.target === null ? "collections.fixed" : "collections.needs", { threshold: number(one.threshold, 3), rate: one.target === null ? "" : oneIn(one.target), refused: one.expected_fnmr === null ? "–" : percent(one.expected_fnmr) });
  const { decisions } = found;
  return card(
    t("collections.facts"),
    list([
      [t("collections.columns.kind"), t(`collections.kinds.${found.kind}`)],
      [t("collections.columns.size"), number(found.size)],
      [t("collections.columns.model"), el("span", { dir: "ltr" }, `${found.model} (${found.dimension})`)],
      [t("collections.columns.created"), dateTime(found.created_at)],
      decisions && [t("collections.verify"), operation(decisions.verify)],
      decisions && [t("collections.identify"), operation(decisions.identify)],
    ]),
  );
}

function options(found, { path, show, signal }) {
  const message = el("div");
  const fields = optionFields(found);
  const save = el("button", { class: "button button-primary", type: "submit" }, t("common.save"));
  const change = async () => {
    const changed = await attempt(save, message, () => request("PATCH", path, { json: optionsOf(fields), signal }));
    if (!changed) return;
    announce(t("collections.saved"));
    show(changed);
  };
  return card(t("collections.optionsTitle"), form(change, fields.element, message, el("div", { class: "actions" }, save)));
}

function calibration(found, { path, show, signal }) {
  const message = el("div");
  const { calibration: table, own_calibration: own, verify, identify } = found.decisions;
  const marks = [
    { name: t("collections.verify"), threshold: verify.threshold },
    { name: t("collections.identify"), threshold: identify.threshold },
  ];
  const again = async (control, method) => {
    const measured = await attempt(control, message, () => request(method, `${path}/calibration`, { signal }));
    if (measured === undefined) return;
    const changed = measured?.collection ?? (await attempt(control, message, () => get(path, {}, { signal })));
    if (changed) show(changed);
    announce(t(`collections.calibrated.${measured ? "own" : "model"}`));
    if (measured) document.querySelector(".closest").append(closest(measured.closest));
  };
  const measure = button(t("collections.calibrate"), (event) => again(event.currentTarget, "POST"), { kind: own ? "" : "primary" });
  const clear = own && button(t("collections.clear"), (event) => again(event.currentTarget, "DELETE"));
  return card(
    t("collections.calibration"),
    el("p", {}, t(`collections.sources.${table.source}`, { population: table.population, pairs: table.pairs, genuine: table.genuine_pairs })),
    curveFigure(table.curve, marks, table.measured_to),
    el("p", { class: "hint" }, t("collections.curveNote", { count: found.size }), " ", table.measured_to && t("collections.measuredTo", { rate: oneIn(table.measured_to) })),
    own && ownCalibration(own),
    el("p", { class: "hint" }, t("collections.calibrateHint")),
    message,
    el("div", { class: "actions" }, measure, clear),
    el("div", { class: "closest" }),
  );
}

function ownCalibration(own) {
  const interval = (bounds) => (bounds ? t("collections.interval", { low: percent(bounds[0]), high: percent(bounds[1]) }) : "–");
  return [
    !own.in_force && notice("warning", t("collections.notInForce")),
    own.suspected_pairs > 0 && notice("warning", t("collections.suspected", { count: own.suspected_pairs })),
    list([
      [t("collections.calibratedAt"), dateTime(own.calibrated_at)],
      [t("collections.measuredOn"), t("collections.peopleAndPhotos", { people: own.people, photos: own.photos })],
      [t("collections.fmrInterval"), interval(own.fmr_interval)],
      [t("collections.fnmrInterval"), interval(own.fnmr_interval)],
    ]),
  ];
}

/** The most similar pairs of different people: those who may be enrolled twice come first. */
function closest(pairs) {
  const person = (id) => el("a", { href: `#/people/${part(id)}`, class: "mono" }, id);
  const rows = pairs.slice(0, 10).map((one) => el("tr", {}, el("td", {}, person(one.person_a)), el("td", {}, person(one.person_b)), el("td", { class: "number" }, number(one.similarity, 2)), el("td", {}, one.suspected ? el("span", { class: "badge badge-warning" }, t("collections.maybeOne")) : "")));
  const columns = ["personA", "personB", "similarity", "note"].map((name) => el("th", { scope: "col" }, t(`collections.columns.${name}`)));
  return el("details", { open: pairs.some((one) => one.suspected) }, el("summary", {}, t("collections.closest")), el("div", { class: "table-box", tabindex: "0", role: "group", "aria-label": t("collections.closest") }, el("table", {}, el("thead", {}, el("tr", {}, columns)), el("tbody", {}, rows))));
}

function model(found) {
  const name = found.name;
  const { shadow } = found;
  const command = (text) => el("p", {}, el("code", { dir: "ltr" }, text));
  if (!shadow) {
    return card(t("collections.model"), el("p", {}, t("collections.noShadow", { model: found.model })), command(`sima collections migrate ${name} --model MODEL`));
  }
  const ready = found.size - shadow.missing;
  const progress = el("progress", { max: Math.max(found.size, 1), value: ready, "aria-label": t("collections.shadowProgress") });
  return card(
    t("collections.model"),
    el("p", {}, t("collections.shadow", { model: shadow.model, ready, size: found.size })),
    progress,
    shadow.missing > 0 && notice("info", t("collections.missing", { count: shadow.missing })),
    command(`sima collections status ${name}`),
    command(`sima collections cut-over ${name}`),
    command(`sima collections roll-back ${name}`),
  );
}

function transfer(found, { path, signal }) {
  const message = el("div");
  const save = async (event) => {
    const archive = await attempt(event.currentTarget, message, async () => (await send("GET", `${path}/export`, { signal })).blob());
    if (!archive) return;
    const url = URL.createObjectURL(archive);
    el("a", { href: url, download: `${found.name}.sima` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    announce(t("collections.exported"));
  };
  return card(t("collections.export"), el("p", {}, t("collections.exportHint")), message, el("div", { class: "actions" }, button(t("collections.exportAction"), save)));
}

function deletion(found, { path, signal }) {
  const message = el("div");
  const erase = async (event) => {
    const control = event.currentTarget;
    const text = t(found.kind === "gallery" ? "collections.deleteGallery" : "collections.deleteVocabulary", { name: found.name, count: found.size });
    if (!(await confirm(t("collections.delete"), text, t("common.delete")))) return;
    const response = await attempt(control, message, () => send("DELETE", path, { signal }));
    if (!response) return;
    control.remove();
    replace(message, notice("good", el("p", {}, t("collections.deleted", { name: found.name })), el("p", {}, t("collections.receipt"), " ", el("code", {}, response.headers.get(RECEIPT) ?? ""))));
  };
  return card(t("collections.delete"), el("p", {}, t("collections.deleteHint")), message, el("div", { class: "actions" }, button(t("collections.delete"), erase, { kind: "danger" })));
}
