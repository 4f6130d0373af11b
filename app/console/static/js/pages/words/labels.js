// Zero-shot classification: a text or a photo against labels that were never trained.

import { get, request } from "../../api.js";
import { barList } from "../../bars.js";
import { el, replace } from "../../dom.js";
import { number, percent, t } from "../../i18n.js";
import { dropArea, photoAddress, takePhotosOfPage } from "../../photos.js";
import { attempt, button, card, field, form, notice, select } from "../../widgets.js";
import { ask, keptField, wordsOf } from "./common.js";

const ENCODER = "all-minilm-l6-v2";
const OUTSIDE = /^[^\p{L}\p{M}\p{N}]+|[^\p{L}\p{M}\p{N}]+$/gu; // of a word: punctuation around it
const EXAMPLE = { text: "It will rain all day and the wind will be strong.", labels: "music, weather, cooking" };

/** The parts of the page; `names` are the vocabularies and, if it is installed, the sentence encoder. */
export function openLabels({ vocabulary, names, signal, kept }) {
  const message = el("div");
  const results = el("div");
  const input = el("div");
  const state = { photo: kept.photo ?? null, projection: null, kind: "text", take: null };
  const text = keptField(kept, "text", el("textarea", { rows: 4, dir: "auto", maxlength: 20000 }));
  const labels = keptField(kept, "labels", el("textarea", { rows: 3, dir: "auto" }));
  const multiple = el("input", { type: "checkbox", id: "several-labels", checked: kept.multiple, on: { change: () => (kept.multiple = multiple.checked) } });
  const submit = el("button", { class: "button button-primary", type: "submit" }, t("words.score"));

  const score = async () => {
    const wanted = wordsOf(labels.value);
    const ready = state.kind === "text" ? text.value.trim() : state.photo && state.projection;
    if (!ready || wanted.length === 0) return replace(message, notice("info", t(state.kind === "text" ? "words.textMissing" : "words.photoMissing")));
    const send = () => (state.kind === "text" ? scoreText(text.value, wanted) : scorePhoto(wanted));
    const found = await ask(submit, message, null, send);
    if (found) show((kept.scored = { found, text: state.kind === "text" ? text.value : null }));
    return found;
  };
  const show = (scored) => replace(results, answer(scored.found, scored.text));
  const scoreText = (content, wanted) => {
    const json = { text: content, labels: wanted, multi_label: multiple.checked, vocabulary, explain: true };
    return request("POST", "/zero-shot/score", { json, signal });
  };
  const scorePhoto = (wanted) => {
    const content = new FormData();
    content.set("image", state.photo);
    content.set("rotate", "auto");
    content.set("labels", JSON.stringify(wanted));
    content.set("multi_label", String(multiple.checked));
    content.set("projection", state.projection);
    return request("POST", "/zero-shot/score", { form: content, signal });
  };
  const tabs = el("div", { class: "tabs", role: "group", "aria-label": t("words.input") });
  const showInput = (kind) => {
    state.kind = kind;
    kept.kind = kind;
    state.take = null;
    replace(tabs, ["text", "photo"].map((one) => button(t(`words.inputs.${one}`), () => showInput(one), { "aria-pressed": one === kind })));
    replace(message);
    replace(input, kind === "text" ? field(t("words.text"), text) : photoInput(state, message, signal, kept));
  };
  showInput(kept.kind ?? "text");
  takePhotosOfPage((files) => state.take?.(files), signal);
  const fill = () => {
    showInput("text");
    text.value = kept.text = EXAMPLE.text;
    labels.value = kept.labels = EXAMPLE.labels;
    score();
  };
  const check = el("div", { class: "check" }, multiple, el("label", { for: multiple.id }, t("words.severalLabels")));
  const example = button(t("words.tryExample"), fill, { kind: "plain" });
  const encoder = !names.includes(ENCODER) && el("p", { class: "hint" }, t("words.noEncoder"));
  const query = form(score, tabs, input, field(t("words.labels"), labels, t("words.labelsHint")), check, el("div", { class: "actions" }, submit, example));
  if (kept.scored) show(kept.scored);
  return [el("div", { class: "columns" }, card(t("words.question"), query, encoder), el("div", { class: "form" }, message, results))];
}

/** The drop area and the choice of the projection from faces to words, which the service must have. */
function photoInput(state, message, signal, kept) {
  const shown = el("div");
  const take = ([photo]) => {
    state.photo = photo;
    kept.photo = photo;
    replace(shown, el("img", { class: "words-photo", src: photoAddress(photo, signal), alt: t("words.photo") }));
  };
  state.take = take;
  if (state.photo) take([state.photo]);
  const projections = el("div");
  attempt(null, message, () => get("/zero-shot/projections", {}, { signal })).then((listed) => {
    if (!listed) return;
    const names = listed.projections.filter((one) => one.source === "faces").map((one) => one.name);
    [state.projection] = names;
    const choose = (name) => {
      state.projection = name;
    };
    replace(projections, names.length > 0 ? field(t("words.projection"), select(names.map((name) => [name, name]), names[0], choose)) : notice("info", t("words.noProjection")));
  });
  return el("div", { class: "form" }, dropArea(t("photos.drop"), take), shown, projections);
}

function answer(found, text) {
  const rows = found.labels.map((label, at) => ({ name: label, share: found.scores[at], text: percent(found.scores[at]), kind: label === found.decision ? "good" : "", note: el("span", { class: "hint" }, t("words.evidence", { value: number(found.evidence[at], 1) })) }));
  const unknown = found.out_of_vocabulary.length > 0 && el("p", { class: "hint" }, t("words.outOfVocabulary", { words: found.out_of_vocabulary.join(", ") }));
  const marked = text !== null && found.explanation && explained(text, found.explanation);
  return card(found.decision ? t("words.decision", { label: found.decision }) : t("words.noDecision"), barList(rows, t("words.scores")), marked, unknown);
}

/** The text with the words marked that speak for the best label, or against it. */
function explained(text, { label, words }) {
  // The service separates words by spaces only. The strongest one is first: it stands for its repetitions.
  const effects = new Map(words.toReversed().map((one) => [one.name.replace(OUTSIDE, "").toLowerCase(), one.effect]));
  const strongest = Math.max(...words.map((one) => Math.abs(one.effect)), 1e-9);
  const pieces = text.split(/([\p{L}\p{M}\p{N}]+(?:['’-][\p{L}\p{M}\p{N}]+)*)/u).map((piece) => {
    const effect = effects.get(piece.toLowerCase());
    if (effect === undefined || Math.abs(effect) < 0.1 * strongest) return piece;
    const strength = Math.abs(effect) > 0.5 * strongest ? "strong" : "weak";
    return el("mark", { class: `mark-${effect > 0 ? "for" : "against"}-${strength}`, title: number(effect, 2) }, piece);
  });
  return el("figure", { class: "explained" }, el("p", { dir: "auto" }, pieces), el("figcaption", { class: "hint" }, t("words.explained", { label })));
}
