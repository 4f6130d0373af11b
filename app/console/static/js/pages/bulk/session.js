// A bulk enrollment that outlives its view: it goes on while the page is built in another language,
// and ends when the user leaves the page.

import { progressView } from "./progress.js";
import { enrollPeople } from "./run.js";

/** Starts enrolling `people`; returns {show(target)}, which shows the progress in an element. */
export function startSession(people, collection) {
  let outcomes;
  let stop;
  let ended;
  let view = null;
  const report = (photo, outcome) => {
    outcomes.push([photo, outcome]);
    view?.report(photo, outcome);
  };
  const run = async () => {
    outcomes = [];
    stop = new AbortController();
    ended = false;
    await enrollPeople(people, collection, report, stop.signal);
    ended = true;
    view?.finish(stop.signal.aborted, again);
  };
  const show = (target) => {
    view = progressView(people, () => stop.abort());
    for (const [photo, outcome] of outcomes) view.report(photo, outcome);
    if (ended) view.finish(stop.signal.aborted, again);
    target.replaceChildren(view.element);
  };
  const again = () => {
    const target = view.element.parentElement;
    run();
    show(target);
  };
  window.addEventListener("hashchange", () => stop.abort(), { once: true });
  run();
  return { show };
}
