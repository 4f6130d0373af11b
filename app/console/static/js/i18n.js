// Texts and numbers in the user's language. Each language has one catalogue in i18n/.

import { preference, setPreference } from "./preferences.js";

export const LANGUAGES = [
  { id: "en", name: "English", direction: "ltr" },
  { id: "fa", name: "فارسی", direction: "rtl" },
];

const state = { id: "en", messages: {} };

/** The language that the user chose, else the browser's first one that has a catalogue. */
export function preferredLanguage() {
  const known = LANGUAGES.map((language) => language.id);
  const wanted = [preference("language"), ...navigator.languages.map((one) => one.split("-")[0])];
  return wanted.find((one) => known.includes(one)) ?? "en";
}

export function language() {
  return state.id;
}

/** Loads the catalogue of a language and sets the direction of the page. */
export async function loadLanguage(id) {
  const response = await fetch(new URL(`../i18n/${id}.json`, import.meta.url));
  if (!response.ok) throw new Error(`the catalogue of ${id} cannot be loaded`);
  state.messages = await response.json();
  state.id = id;
  const root = document.documentElement;
  root.lang = id;
  root.dir = LANGUAGES.find((one) => one.id === id).direction;
}

export async function chooseLanguage(id) {
  setPreference("language", id);
  await loadLanguage(id);
}

/**
 * The text of a key such as "people.title". `{name}` in the text is replaced by values.name; numbers
 * are written in the user's digits. A text with the forms `one` and `other` is chosen by values.count.
 */
export function t(key, values = {}) {
  let text = lookUp(key);
  if (text && typeof text === "object" && "other" in text) {
    const form = new Intl.PluralRules(state.id).select(values.count ?? 0);
    text = text[form] ?? text.other;
  }
  if (typeof text !== "string") return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? format(values[name]) : whole));
}

/** Whether the catalogue has a text for the key. */
export function hasText(key) {
  return typeof lookUp(key) === "string";
}

function lookUp(key) {
  return key.split(".").reduce((part, name) => part?.[name], state.messages);
}

function format(value) {
  return typeof value === "number" ? number(value) : String(value);
}

export function number(value, digits = null) {
  const options = digits === null ? { maximumFractionDigits: 4 } : { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(state.id, options).format(value);
}

/** A share from 0 to 1 as per cent, with two significant digits. */
export function percent(share) {
  const options = { style: "percent", maximumSignificantDigits: 2 };
  return new Intl.NumberFormat(state.id, options).format(share);
}

/** A rate as "1 in 25,000"; an extrapolated tail ends at one in a billion. */
export function oneIn(rate) {
  if (rate <= 1e-9) {
    const billion = new Intl.NumberFormat(state.id, { notation: "compact", compactDisplay: "long" });
    return t("common.lessThanOneIn", { count: billion.format(1e9) });
  }
  const count = 1 / rate;
  const rounding = 10 ** Math.max(0, Math.floor(Math.log10(count)) - 1);
  return t("common.oneIn", { count: Math.round(count / rounding) * rounding });
}

export function dateTime(text) {
  const options = { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(state.id, options).format(new Date(text));
}
