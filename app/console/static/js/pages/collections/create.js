// Dialogs that create collections: an empty gallery, one from an archive, a vocabulary from a file.

import { request } from "../../api.js";
import { el } from "../../dom.js";
import { t } from "../../i18n.js";
import { attempt, dialog, field, form, select } from "../../widgets.js";
import { optionFields, optionsOf } from "./options.js";

const NAME = "[A-Za-z0-9][A-Za-z0-9._\\-]{0,99}";

function nameInput() {
  return el("input", { type: "text", required: true, pattern: NAME, autocomplete: "off", spellcheck: "false", dir: "ltr" });
}

/** A form in a dialog; `send` resolves to the created collection. Resolves to its name. */
function ask(title, text, content, send) {
  return dialog(title, (close) => {
    const message = el("div");
    const submit = el("button", { class: "button button-primary", type: "submit" }, text);
    const run = async () => {
      const created = await attempt(submit, message, send);
      if (created) close(created.name);
    };
    return form(run, content, message, el("div", { class: "actions" }, submit));
  });
}

/** Creates an empty gallery. Resolves to its name, undefined if the user closed the dialog. */
export function createGallery(signal) {
  const name = nameInput();
  const options = optionFields({});
  const send = () => request("POST", "/collections", { json: { name: name.value.trim(), ...optionsOf(options) }, signal });
  return ask(t("collections.create"), t("collections.createAction"), [field(t("collections.name"), name, t("collections.nameHint")), options.element], send);
}

/** Creates a gallery from an archive. */
export function importGallery(signal) {
  const name = nameInput();
  const file = el("input", { type: "file", required: true, accept: ".sima" });
  const signer = el("input", { type: "text", autocomplete: "off", spellcheck: "false", pattern: "[0-9a-f]{64}", dir: "ltr" });
  const send = () => {
    const content = new FormData();
    content.set("name", name.value.trim());
    if (signer.value.trim()) content.set("signer", signer.value.trim());
    content.set("file", file.files[0]);
    return request("POST", "/collections/import", { form: content, signal });
  };
  return ask(t("collections.import"), t("collections.importAction"), [field(t("collections.archive"), file, t("collections.archiveHint")), field(t("collections.name"), name, t("collections.nameHint")), field(t("collections.signer"), signer, t("collections.signerHint"))], send);
}

/** Creates a vocabulary from a file of word vectors. */
export function uploadVocabulary(signal) {
  const name = nameInput();
  const file = el("input", { type: "file", required: true });
  let unknown = "lowercase";
  const choice = select(["lowercase", "error", "skip"].map((one) => [one, t(`collections.unknown.${one}`)]), unknown, (value) => {
    unknown = value;
  });
  const send = () => {
    const content = new FormData();
    content.set("name", name.value.trim());
    content.set("unknown", unknown);
    content.set("file", file.files[0]);
    return request("POST", "/vocabularies", { form: content, signal });
  };
  return ask(t("collections.upload"), t("collections.uploadAction"), [field(t("collections.vectors"), file, t("collections.vectorsHint")), field(t("collections.name"), name, t("collections.nameHint")), field(t("collections.unknownWords"), choice)], send);
}
