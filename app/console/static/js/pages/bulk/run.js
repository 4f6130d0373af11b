// Enrolls people with several photos each. What is enrolled already is decided by the service:
// every photo is sent with the id of its content as `image_id`, which GET /persons/{id}/photos
// returns, so that photos of an earlier run are not sent again. A request that was interrupted is
// repeated under its Idempotency-Key, so that it cannot enroll a photo twice.

import { Problem, get, part, sendPhoto } from "../../api.js";
import { contentId, textId } from "../../folders.js";

const SOURCE = "console";
const PARALLEL = 3; // people at a time
const TRIES = 6;
const WAIT_AGAIN = new Set(["network", "rate_limited", "overloaded", "not_ready"]);

/**
 * Enrolls people ({name, photos}); calls report(photo, outcome) for each photo, where outcome is
 * {kind: "enrolled" | "before" | "refused", problem}. Ends early when the signal is aborted.
 */
export async function enrollPeople(people, collection, report, signal) {
  const waiting = [...people];
  const worker = async () => {
    while (waiting.length > 0 && !signal.aborted) await enrollPerson(waiting.shift(), collection, report, signal);
  };
  const results = await Promise.allSettled(Array.from({ length: PARALLEL }, worker));
  const failed = results.find((one) => one.status === "rejected" && one.reason.name !== "AbortError");
  if (failed) throw failed.reason;
}

async function enrollPerson({ name, photos }, collection, report, signal) {
  let known;
  try {
    known = await again(() => enrolledBefore(name, collection, signal), signal);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    for (const photo of photos) report(photo, { kind: "refused", problem });
    return;
  }
  for (const photo of photos) {
    let outcome;
    try {
      outcome = await enrollPhoto(photo, name, collection, known, signal);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      outcome = { kind: "refused", problem };
    }
    report(photo, outcome);
  }
}

/** The people of this name: {person, images}: the id of the one that photos are added to, and the image ids of all. */
async function enrolledBefore(name, collection, signal) {
  const known = { person: null, images: new Set() };
  for (const one of await peopleNamed(name, collection, signal)) {
    const { photos } = await get(`/persons/${part(one.person_id)}/photos`, {}, { signal });
    const images = photos.filter((photo) => photo.source === SOURCE).map((photo) => photo.image_id);
    if (images.length > 0) known.person ??= one.person_id;
    for (const image of images) known.images.add(image);
  }
  return known;
}

/** The service finds names by their beginning. */
async function peopleNamed(name, collection, signal) {
  const found = [];
  let cursor = null;
  do {
    const page = await get("/persons", { name, collection, limit: 500, cursor }, { signal });
    found.push(...page.persons.filter((one) => one.name === name));
    cursor = page.next_cursor;
  } while (cursor);
  return found;
}

async function enrollPhoto(photo, name, collection, known, signal) {
  const image = await contentId(photo.file);
  if (known.images.has(image)) return { kind: "before" };
  const send = (person) => {
    const query = { ...(person ? { person_id: person } : { name }), collection, source: SOURCE, image_id: image, rotate: "auto" };
    const headers = { "Idempotency-Key": `${SOURCE}-${textId(collection, name, person, image)}` };
    return again(() => sendPhoto("/enroll", photo.file, query, { headers, signal }), signal);
  };
  let response;
  try {
    response = await send(known.person);
  } catch (problem) {
    // The face is enrolled under the same name, though not from here: the photo is of that person.
    const same = problem instanceof Problem && problem.code === "already_enrolled" && !known.person && problem.body.person?.name === name;
    if (!same) throw problem;
    response = await send(problem.body.person.person_id);
  }
  const enrolled = await response.json();
  known.person ??= enrolled.person_id;
  known.images.add(image);
  return { kind: "enrolled" };
}

/** Repeats a request while the service is busy or does not answer. */
async function again(action, signal) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await action();
    } catch (problem) {
      if (!(problem instanceof Problem) || !WAIT_AGAIN.has(problem.code) || attempt === TRIES) throw problem;
    }
    await pause(500 * 2 ** attempt, signal);
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    }, { once: true });
  });
}
