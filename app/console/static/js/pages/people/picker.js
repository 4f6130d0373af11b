// A dialog in which a person of the same gallery is searched and picked.

import { get } from "../../api.js";
import { el, replace } from "../../dom.js";
import { t } from "../../i18n.js";
import { attempt, dialog, field } from "../../widgets.js";
import { avatar } from "./avatar.js";
import { cropLoader } from "./crops.js";

/** Resolves to the picked person, undefined if the dialog was closed. `more(close)` adds a choice. */
export function pickPerson(title, text, person, signal, more = () => null) {
  return dialog(title, (close) => {
    const search = el("input", { type: "search", autocomplete: "off" });
    const message = el("div");
    const found = el("ul", { class: "picker" });
    const showCrop = cropLoader(signal);
    let asked = new AbortController();
    const load = async () => {
      asked.abort();
      asked = new AbortController();
      const query = { collection: person.collection, q: search.value.trim(), limit: 8 };
      const page = await attempt(null, message, () => get("/persons", query, { signal: asked.signal }));
      const others = (page?.persons ?? []).filter((one) => one.person_id !== person.person_id);
      if (page) replace(found, others.map((one) => el("li", {}, choice(one, showCrop(avatar(one), one.person_id, page.crops[one.person_id]), close))), others.length === 0 && el("li", { class: "empty" }, t("people.nobodyFound")));
    };
    search.addEventListener("input", load);
    signal.addEventListener("abort", () => close(undefined));
    load();
    return [el("p", {}, text), field(t("people.search"), search), message, found, more(close)];
  });
}

function choice(person, picture, close) {
  const facts = t("people.photos", { count: person.photos });
  return el("button", { type: "button", class: "button button-plain", on: { click: () => close(person) } }, picture, el("span", {}, person.name), el("span", { class: "hint" }, facts));
}
