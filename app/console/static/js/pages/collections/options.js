// The options of a gallery as fields of a form.

import { el } from "../../dom.js";
import { t } from "../../i18n.js";
import { field } from "../../widgets.js";

/** Fields with the options of a gallery; an empty field leaves an option to the settings. */
export function optionFields(gallery) {
  const rate = (value) => el("input", { type: "number", min: "0.000000001", max: "0.5", step: "any", value: value ?? "", dir: "ltr" });
  const inputs = {
    target_fmr: rate(gallery.target_fmr),
    target_fpir: rate(gallery.target_fpir),
    threshold: el("input", { type: "number", min: "-1", max: "1", step: "any", value: gallery.threshold ?? "", dir: "ltr" }),
    visitors: el("input", { type: "number", min: "1", max: "3650", step: "1", value: gallery.visitors?.days ?? "", dir: "ltr" }),
  };
  const fields = Object.entries(inputs).map(([name, input]) => field(t(`collections.options.${name}`), input, t(`collections.optionHints.${name}`)));
  return { element: el("div", { class: "options" }, fields), inputs };
}

/** What the fields say, as the service takes it; null deletes an option. */
export function optionsOf({ inputs }) {
  const value = (input) => (input.value === "" ? null : Number(input.value));
  const days = value(inputs.visitors);
  return { target_fmr: value(inputs.target_fmr), target_fpir: value(inputs.target_fpir), threshold: value(inputs.threshold), visitors: days === null ? null : { days } };
}
