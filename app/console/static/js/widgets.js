// Controls that several pages use.

import { Problem } from "./api.js";
import { el, newId, replace } from "./dom.js";
import { hasText, number, t } from "./i18n.js";
import { icon } from "./icons.js";

/** A button. Options: icon, kind ("primary", "danger", "plain"), label (for a button without text). */
export function button(text, action, { icon: name, kind = "", label, ...attributes } = {}) {
  const content = [name && icon(name), text && el("span", {}, text)];
  const classes = ["button", kind && `button-${kind}`, !text && "button-icon"].filter(Boolean).join(" ");
  return el("button", { type: "button", class: classes, "aria-label": label, title: label, on: { click: action }, ...attributes }, content);
}

/** A labelled input, select or textarea, with a hint below. */
export function field(text, control, hint = null) {
  control.id ||= newId("field");
  const note = hint && el("p", { class: "hint", id: newId("hint") }, hint);
  if (note) control.setAttribute("aria-describedby", note.id);
  return el("div", { class: "field" }, el("label", { for: control.id }, text), control, note);
}

/** A select with [value, text] options. */
export function select(options, value, change, attributes = {}) {
  const entries = options.map(([id, text]) => el("option", { value: id, selected: id === value }, text));
  return el("select", { on: { change: (event) => change(event.target.value) }, ...attributes }, entries);
}

/** A message. Kinds: info, good, warning, bad. Warnings and errors are read out at once. */
export function notice(kind, ...content) {
  return el("div", { class: `notice notice-${kind}`, role: kind === "bad" || kind === "warning" ? "alert" : "status" }, content);
}

/** A message about a failed request: what happened and, for a refused photo, the measured reasons. */
export function problemNotice(error) {
  if (!(error instanceof Problem)) throw error;
  const reasons = (error.body.reasons ?? []).map((reason) => el("li", {}, reasonText(reason)));
  const errors = (error.body.errors ?? []).map((one) => el("li", {}, `${one.where}: ${one.message}`));
  return notice("bad", el("p", {}, problemText(error)), (reasons.length > 0 || errors.length > 0) && el("ul", {}, reasons, errors));
}

/** An error in words: the catalogue's text of its code, else the service's own sentence. */
export function problemText(error) {
  const key = `problems.${error.code}`;
  const { person, similarity, threshold } = error.body;
  const values = { name: person?.name ?? "", similarity: number(similarity ?? 0, 2), threshold: number(threshold ?? 0, 2) };
  return hasText(key) ? t(key, values) : error.message;
}

/** A failed quality check in words, with what was measured and the limit. */
export function reasonText({ code, measured, limit }) {
  const key = `reasons.${code}`;
  return t("reasons.measured", { reason: hasText(key) ? t(key) : code, measured, limit });
}

/**
 * Runs an asynchronous action of a control: disables it meanwhile and shows a failure in `target`.
 * Returns what the action resolves to, undefined after a failure or if the page was left.
 */
export async function attempt(control, target, action) {
  if (control) control.disabled = true;
  try {
    const result = await action();
    if (target) replace(target);
    return result;
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    if (target) replace(target, problemNotice(error));
    else if (!(error instanceof Problem)) throw error;
    return undefined;
  } finally {
    if (control) control.disabled = false;
  }
}

/** A heading of a page with an optional sentence and controls beside it. */
export function pageHeader(title, lead = null, ...controls) {
  const heading = el("h1", { tabindex: "-1" }, title);
  return el("header", { class: "page-header" }, el("div", {}, heading, lead && el("p", { class: "lead" }, lead)), controls.length > 0 && el("div", { class: "actions" }, controls));
}

/** A section with a heading. */
export function card(title, ...content) {
  const heading = title && el("h2", { id: newId("card") }, title);
  return el("section", { class: "card", "aria-labelledby": heading?.id }, heading, content);
}

/**
 * Opens a modal dialog; `build(close)` returns its content. Resolves to what was passed to close,
 * undefined if the user pressed Escape.
 */
export function dialog(title, build) {
  return new Promise((resolve) => {
    let result;
    const close = (value) => {
      result = value;
      box.close();
    };
    const heading = el("h2", { id: newId("dialog") }, title);
    const dismiss = button("", () => close(undefined), { icon: "close", kind: "plain", label: t("common.close") });
    const box = el("dialog", { class: "dialog", "aria-labelledby": heading.id }, el("header", {}, heading, dismiss), build(close));
    box.addEventListener("close", () => {
      box.remove();
      resolve(result);
    });
    document.body.append(box);
    box.showModal();
    box.querySelector("input, select, textarea")?.focus(); // else the button that closes it has the focus
  });
}

/** Asks before an action that cannot be undone. Resolves to whether it was confirmed. */
export async function confirm(title, text, action) {
  const answer = await dialog(title, (close) => [
    el("p", {}, text),
    el("div", { class: "actions" }, button(action, () => close(true), { kind: "danger" }), button(t("common.cancel"), () => close(false))),
  ]);
  return answer === true;
}

/** A form whose submission calls `action(form)`; nothing is sent by the browser itself. */
export function form(action, ...content) {
  const submit = (event) => {
    event.preventDefault();
    action(event.currentTarget);
  };
  return el("form", { class: "form", on: { submit } }, content);
}

/** Reads a short sentence to users of screen readers. */
export function announce(text) {
  const region = document.getElementById("announcements");
  if (region) region.textContent = text;
}
