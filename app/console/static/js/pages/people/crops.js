// Stored crops of faces, shown where they come near the visible part of the page. Without one, or
// without the permission to see it, what is in its place remains.

import { part, send } from "../../api.js";
import { el, replace } from "../../dom.js";
import { photoAddress } from "../../photos.js";

const REFUSALS = [401, 403, 429, 503];

/** Resolves to a function show(place, personId, templateId, description) for one page. */
export function cropLoader(signal) {
  const wanted = new WeakMap();
  let refused = false;
  const load = async (place) => {
    const { path, description } = wanted.get(place);
    if (refused) return;
    try {
      const response = await send("GET", path, { signal });
      replace(place, el("img", { class: "crop", src: photoAddress(await response.blob(), signal), alt: description, width: 112, height: 112 }));
    } catch (error) {
      refused ||= REFUSALS.includes(error.status); // the others would be refused, too
    }
  };
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      load(target);
    }
  }, { rootMargin: "200px" });
  signal.addEventListener("abort", () => watcher.disconnect());
  return (place, personId, templateId, description = "") => {
    if (!templateId) return place;
    wanted.set(place, { path: `/persons/${part(personId)}/photos/${part(templateId)}/crop`, description });
    watcher.observe(place);
    return place;
  };
}

/** The template with the best quality of those whose crop is stored, as in the list of people. */
export function bestCrop(photos) {
  const stored = photos.filter((one) => one.crop);
  return stored.reduce((best, one) => ((best?.quality ?? -1) >= (one.quality ?? 0) ? best : one), null)?.template_id ?? null;
}
