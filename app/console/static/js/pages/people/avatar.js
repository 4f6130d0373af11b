// A person without a picture: initials on a colour that belongs to the person's id.

import { el } from "../../dom.js";

const COLOURS = 8;

/** A round picture of initials that screen readers skip. */
export function avatar({ name, person_id: id }, size = "") {
  const words = name.trim().split(/\s+/u);
  const ends = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  const initials = ends.map((word) => [...word][0] ?? "").join(/\p{Script=Arabic}/u.test(name) ? "\u200c" : "");
  const colour = [...id].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 9973, 7) % COLOURS;
  return el("span", { class: `avatar avatar-${colour} ${size && `avatar-${size}`}`, "aria-hidden": "true" }, initials.toUpperCase());
}
