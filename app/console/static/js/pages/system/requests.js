// Requests and latencies, stages, and decisions by kind, from the metrics.

import { send } from "../../api.js";
import { barList } from "../../bars.js";
import { el, replace } from "../../dom.js";
import { hasText, number, percent, t } from "../../i18n.js";
import { histogram, parseMetrics, total } from "../../metrics.js";
import { code, facts, table } from "../../table.js";
import { attempt, button, card } from "../../widgets.js";

const SHOWN = 25; // routes

export async function openRequests({ signal }) {
  const message = el("div");
  const body = el("div", { class: "system" });
  const load = async (event) => {
    const text = await attempt(event?.currentTarget, message, async () => (await send("GET", "/metrics", { signal })).text());
    if (text !== undefined) replace(body, shown(parseMetrics(text)));
  };
  await load();
  return [el("div", { class: "actions" }, button(t("system.refresh"), load)), message, body];
}

function shown(samples) {
  return [el("div", { class: "columns" }, now(samples), decisions(samples), stages(samples)), requests(samples)];
}

function now(samples) {
  const all = total(samples, "sima_requests_total");
  const failed = samples.filter((one) => one.name === "sima_requests_total" && one.labels.status >= "500").reduce((sum, one) => sum + one.value, 0);
  return card(
    t("system.now"),
    facts([
      [t("system.requests"), number(all)],
      [t("system.serverErrors"), number(failed)],
      [t("system.inProgress"), number(total(samples, "sima_requests_in_progress"))],
      [t("system.waiting"), number(total(samples, "sima_queue_length"))],
      [t("system.people"), number(total(samples, "sima_entries", { kind: "gallery" }))],
      [t("system.words"), number(total(samples, "sima_entries", { kind: "vocabulary" }))],
      [t("system.indexLag"), number(total(samples, "sima_index_pending_changes"))],
      [t("system.events"), number(total(samples, "sima_events_waiting"))],
    ]),
  );
}

function decisions(samples) {
  const found = samples.filter((one) => one.name === "sima_decisions_total");
  const sums = new Map();
  for (const { labels, value } of found) sums.set(labels.operation, (sums.get(labels.operation) ?? 0) + value);
  const rows = found.map(({ labels, value }) => ({ name: `${name("operations", labels.operation)}: ${name("decisions", labels.decision)}`, share: value / sums.get(labels.operation), text: number(value) }));
  return card(t("system.decisionsTitle"), rows.length > 0 ? barList(rows, t("system.decisionsTitle")) : el("p", { class: "muted" }, t("system.none")));
}

function name(part, id) {
  return hasText(`system.${part}.${id}`) ? t(`system.${part}.${id}`) : id;
}

function stages(samples) {
  const names = new Set(samples.filter((one) => one.name === "sima_stage_seconds_count").map((one) => one.labels.stage));
  const found = [...names].map((stage) => ({ stage, ...histogram(samples, "sima_stage_seconds", { stage }) })).filter((one) => one.count > 0);
  const longest = Math.max(...found.map((one) => one.mean), 1e-9);
  const rows = found.map(({ stage, mean }) => ({ name: hasText(`try.stages.${stage}`) ? t(`try.stages.${stage}`) : stage, share: mean / longest, text: t("system.milliseconds", { value: milliseconds(mean) }) }));
  return card(t("system.stages"), rows.length > 0 ? barList(rows, t("system.stages")) : el("p", { class: "muted" }, t("system.none")));
}

function requests(samples) {
  const routes = new Map();
  for (const { name: sample, labels, value } of samples) {
    if (sample !== "sima_requests_total") continue;
    const key = `${labels.method} ${labels.route}`;
    const route = routes.get(key) ?? { key, labels: { method: labels.method, route: labels.route }, count: 0, refused: 0 };
    route.count += value;
    if (labels.status >= "400") route.refused += value;
    routes.set(key, route);
  }
  const most = [...routes.values()].sort((one, other) => other.count - one.count).slice(0, SHOWN);
  const rows = most.map(({ key, labels, count, refused }) => {
    const { mean, high } = histogram(samples, "sima_request_seconds", labels);
    return [code(key), number(count), refused > 0 ? percent(refused / count) : number(0), milliseconds(mean), Number.isFinite(high) ? t("system.below", { value: milliseconds(high) }) : t("system.aboveAll")];
  });
  const columns = ["route", "requests", "refused", "mean", "high"].map((one) => t(`system.${one}`));
  return card(t("system.requestsTitle"), rows.length > 0 ? table(t("system.requestsTitle"), columns, rows) : el("p", { class: "muted" }, t("system.none")));
}

function milliseconds(seconds) {
  const value = 1000 * seconds;
  return number(value, value < 10 ? 1 : 0);
}
