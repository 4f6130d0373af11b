// The active model with its card, the engines, and how far the indexes are behind.

import { get, send } from "../../api.js";
import { el } from "../../dom.js";
import { number, t } from "../../i18n.js";
import { parseMetrics, total } from "../../metrics.js";
import { code, facts, table } from "../../table.js";
import { attempt, card } from "../../widgets.js";

export async function openOverview({ signal }) {
  const message = el("div");
  const options = { signal };
  const found = await attempt(null, message, () => Promise.all([get("/models", {}, options), get("/version", {}, options), get("/ready", {}, options)]));
  if (!found) return message;
  const [{ models }, version, ready] = found;
  const store = el("div");
  const text = await attempt(null, store, async () => (await send("GET", "/metrics", options)).text());
  const lag = text === undefined ? null : total(parseMetrics(text), "sima_index_pending_changes");
  const active = models.find((one) => one.active)?.manifest;
  return [
    el("div", { class: "columns" }, service(version, ready, lag), active && modelCard(active)),
    store,
    active && accuracy(active),
    card(t("system.models"), table(t("system.models"), [t("system.model"), t("system.name"), t("system.licence"), t("system.dimension"), t("system.state")], models.map(({ active: used, manifest }) => [code(manifest.name), el("span", { dir: "ltr" }, manifest.title), manifest.licence, number(manifest.dimension), used && el("span", { class: "badge badge-good" }, t("system.active"))]))),
  ];
}

function service(version, ready, lag) {
  const level = (value) => el("span", { class: `badge badge-${value === 0 ? "good" : "warning"}` }, value === 0 ? t("system.caughtUp") : t("system.pending", { count: value }));
  const sizes = Object.entries(ready.collections ?? {}).map(([name, size]) => el("li", {}, el("bdi", {}, name), ": ", number(size)));
  return card(
    t("system.service"),
    facts([
      [t("system.version"), code(`Sima ${version.version}, Python ${version.python}, ONNX Runtime ${version.onnxruntime}`)],
      [t("system.detector"), ready.detector && code(ready.detector)],
      [t("system.providers"), ready.providers && code(ready.providers.join(", "))],
      [t("system.database"), ready.database && el("span", { class: "badge badge-good" }, t("system.reachable"))],
      [t("system.index"), lag === null ? null : level(lag)],
      [t("collections.title"), sizes.length > 0 && el("ul", {}, sizes)],
    ]),
  );
}

function modelCard(manifest) {
  return card(
    t("system.modelCard", { name: manifest.name }),
    facts([
      [t("system.network"), el("span", { dir: "ltr" }, manifest.title)],
      [t("system.licence"), manifest.licence],
      [t("system.trainingData"), el("span", { dir: "ltr" }, manifest.training.data)],
      [t("system.method"), el("span", { dir: "ltr" }, manifest.training.method)],
      [t("system.population"), el("span", { dir: "ltr" }, manifest.calibration?.population)],
      [t("system.digest"), code(manifest.sha256.slice(0, 16))],
    ]),
  );
}

function accuracy(manifest) {
  const rows = manifest.accuracy.map((one) => [el("span", { dir: "ltr" }, one.benchmark), code(one.metric), number(one.value), code(one.command)]);
  return card(t("system.accuracy"), table(t("system.accuracy"), ["benchmark", "metric", "value", "command"].map((name) => t(`system.${name}`)), rows));
}
