// What the browser remembers between visits: language, colours and the last collection. Never keys.

const PREFIX = "sima.";

export function preference(name, fallback = "") {
  try {
    return localStorage.getItem(PREFIX + name) ?? fallback;
  } catch {
    return fallback; // storage is switched off
  }
}

export function setPreference(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // storage is switched off; the value holds until the page is closed
  }
}
