// API keys: list, create with a role and a scope, revoke.

import { get, hasKey, part, request, send, setKey } from "../../api.js";
import { el, replace } from "../../dom.js";
import { dateTime, t } from "../../i18n.js";
import { code, table } from "../../table.js";
import { attempt, button, card, confirm, dialog, field, form, notice, select } from "../../widgets.js";

const ROLES = ["read", "enroll", "admin"];

export async function openKeys({ signal }) {
  const message = el("div");
  const list = el("div");
  const load = async () => {
    const found = await attempt(null, message, () => get("/api-keys", {}, { signal }));
    if (found) replace(list, card(null, found.api_keys.length > 0 ? keys(found.api_keys, revoke) : el("p", { class: "muted" }, t("system.noKeys"))));
  };
  const revoke = (key) => async (event) => {
    const control = event.currentTarget;
    if (!(await confirm(t("system.revoke"), t("system.revokeText", { name: key.name }), t("system.revoke")))) return;
    const done = await attempt(control, message, () => send("DELETE", `/api-keys/${part(key.id)}`, { signal }));
    if (done) await load();
  };
  const create = async () => {
    const created = await createKey(signal);
    if (created) await load();
  };
  await load();
  return [el("div", { class: "actions" }, button(t("system.createKey"), create, { icon: "plus", kind: "primary" })), message, list];
}

function keys(found, revoke) {
  const columns = ["name", "role", "scope", "state", "expires", "id", "action"].map((one) => t(`system.${one}`));
  const rows = found.map((key) => [
    el("bdi", {}, key.name),
    t(`system.roles.${key.role}`) + (key.embeddings && key.role !== "admin" ? ` + ${t("system.embeddingsShort")}` : ""),
    [...(key.collections ?? []), ...(key.vocabularies ?? [])].join(", ") || t("system.everything"),
    el("span", { class: `badge badge-${key.state === "active" ? "good" : "info"}` }, t(`system.states.${key.state}`)),
    key.expires_at ? dateTime(key.expires_at) : t("system.never"),
    code(key.id),
    key.state === "active" && button(t("system.revoke"), revoke(key), { kind: "danger", "aria-label": `${t("system.revoke")}: ${key.name}` }),
  ]);
  return table(t("system.part.keys"), columns, rows);
}

/** A dialog that creates a key and shows it once. Resolves to whether one was created. */
function createKey(signal) {
  let created = false;
  const shown = dialog(t("system.createKey"), (close) => {
    const message = el("div");
    const body = el("div", { class: "form" });
    const name = el("input", { type: "text", required: true, maxlength: 100, autocomplete: "off" });
    const collections = el("input", { type: "text", autocomplete: "off", spellcheck: "false", dir: "ltr" });
    const vocabularies = el("input", { type: "text", autocomplete: "off", spellcheck: "false", dir: "ltr" });
    const days = el("input", { type: "number", min: "1", max: "36500", dir: "ltr" });
    const embeddings = el("input", { type: "checkbox", id: "key-embeddings" });
    let role = "read";
    const choice = select(ROLES.map((one) => [one, t(`system.roleHints.${one}`)]), role, (value) => {
      role = value;
    });
    const submit = el("button", { class: "button button-primary", type: "submit" }, t("system.createAction"));
    const names = (input) => {
      const found = input.value.split(/[\s,;،]+/).filter(Boolean);
      return found.length > 0 ? found : null;
    };
    const create = async () => {
      const json = { name: name.value.trim(), role, collections: names(collections), vocabularies: names(vocabularies), embeddings: embeddings.checked, valid_days: days.value ? Number(days.value) : null };
      const key = await attempt(submit, message, () => request("POST", "/api-keys", { json, signal }));
      if (!key) return;
      created = true;
      const needed = !hasKey() && key.role === "admin" && !key.collections && !key.vocabularies;
      if (needed) setKey(key.key, false);
      replace(body, createdKey(key, needed, close));
    };
    body.append(
      form(
        create,
        field(t("system.name"), name, t("system.nameHint")),
        field(t("system.role"), choice),
        field(t("system.collections"), collections, t("system.scopeHint")),
        field(t("system.vocabularies"), vocabularies, t("system.scopeHint")),
        field(t("system.validDays"), days, t("system.validHint")),
        el("div", { class: "check" }, embeddings, el("label", { for: embeddings.id }, t("system.embeddings"))),
        !hasKey() && notice("warning", t("system.firstKey")),
        message,
        el("div", { class: "actions" }, submit),
      ),
    );
    return body;
  });
  return shown.then(() => created);
}

function createdKey(key, used, close) {
  const text = el("code", { class: "new-key", dir: "ltr", tabindex: "0" }, key.key);
  const copied = el("span", { role: "status" });
  const copy = async () => {
    await navigator.clipboard.writeText(key.key);
    copied.textContent = t("system.copied");
  };
  return [notice("good", el("p", {}, t("system.created", { name: key.name })), text), used && el("p", { class: "hint" }, t("system.used")), el("div", { class: "actions" }, navigator.clipboard && button(t("system.copy"), copy), button(t("common.close"), () => close(true), { kind: "primary" }), copied)];
}
