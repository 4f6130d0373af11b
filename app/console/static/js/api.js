// Sends requests to the service. The key is in the memory of the page, in the session storage of the
// tab if the user asks for it, and never in an address.

const BASE = new URL("../", document.baseURI);
const STORED = "sima.key";

let key = sessionStorage.getItem(STORED) ?? "";
let askForKey = async () => false;

/** An error of the service (application/problem+json), or `network` without an answer. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? body.title ?? `HTTP ${status}`);
    this.status = status;
    this.code = body.code ?? "unexpected";
    this.body = body;
  }
}

export function hasKey() {
  return key !== "";
}

export function setKey(value, remember) {
  key = value;
  if (remember && value) sessionStorage.setItem(STORED, value);
  else sessionStorage.removeItem(STORED);
}

/** `ask` shows the dialog for the key; it resolves to whether the user entered one. */
export function onMissingKey(ask) {
  askForKey = ask;
}

/** An address of the service as an absolute URL; parameters that are null or "" are left out. */
export function address(path, query = {}) {
  const url = new URL(path.replace(/^\//, ""), BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  return url;
}

/**
 * Sends a request and resolves to its response. Options: query, json (an object), form (FormData), body
 * (a Blob), headers, signal. Rejects with a Problem, or with an AbortError.
 */
export async function send(method, path, options = {}) {
  const response = await attempt(method, path, options);
  if (response.status !== 401 || !(await askForKey())) return checked(response);
  return checked(await attempt(method, path, options));
}

async function attempt(method, path, { query, json, form, body, headers = {}, signal }) {
  const sent = new Headers(headers);
  if (key) sent.set("X-API-Key", key);
  let content = form ?? body;
  if (json !== undefined) {
    sent.set("Content-Type", "application/json");
    content = JSON.stringify(json);
  }
  try {
    return await fetch(address(path, query), { method, headers: sent, body: content, signal, credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { code: "network", detail: String(error.message) });
  }
}

async function checked(response) {
  if (response.ok) return response;
  let body;
  try {
    body = await response.json();
  } catch {
    body = {}; // a proxy answered
  }
  throw new Problem(response.status, body);
}

/** Sends a request and resolves to the JSON of its response, null without a body. */
export async function request(method, path, options = {}) {
  const response = await send(method, path, options);
  return response.status === 204 ? null : response.json();
}

export function get(path, query = {}, options = {}) {
  return request("GET", path, { ...options, query });
}

/** Sends one photo as the body of the request, the cheapest way, with the other fields as a query. */
export function sendPhoto(path, photo, query = {}, options = {}) {
  const type = photo.type || "application/octet-stream";
  return send("POST", path, { ...options, query, body: photo, headers: { ...options.headers, "Content-Type": type } });
}

/** The header Server-Timing as [name, milliseconds] pairs. */
export function timingsOf(response) {
  const header = response.headers.get("Server-Timing") ?? "";
  const found = [...header.matchAll(/([\w-]+);dur=([\d.]+)/g)];
  return found.map(([, name, milliseconds]) => [name, Number(milliseconds)]);
}

/** An id or a name as one part of a path. */
export function part(text) {
  return encodeURIComponent(text);
}
