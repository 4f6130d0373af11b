// Reads metrics in Prometheus' text format.

/** The samples of a text: [{name, labels, value}]. */
export function parseMetrics(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!found || line.startsWith("#")) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[name] = value.replace(/\\(.)/g, (_, one) => (one === "n" ? "\n" : one));
    samples.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return samples;
}

/** The sum of the samples of this name whose labels fit. */
export function total(samples, name, labels = {}) {
  const fits = (one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value);
  return samples.filter(fits).reduce((sum, one) => sum + one.value, 0);
}

/**
 * A histogram: {count, mean, high}, in seconds. `high` is the upper bound of the bucket that has the
 * 95th percentile, Infinity above the largest one.
 */
export function histogram(samples, name, labels) {
  const count = total(samples, `${name}_count`, labels);
  if (count === 0) return { count, mean: 0, high: 0 };
  const bounds = new Map();
  for (const one of samples) {
    if (one.name !== `${name}_bucket` || !Object.entries(labels).every(([key, value]) => one.labels[key] === value)) continue;
    const bound = one.labels.le === "+Inf" ? Infinity : Number(one.labels.le);
    bounds.set(bound, (bounds.get(bound) ?? 0) + one.value);
  }
  const sorted = [...bounds].sort(([one], [other]) => one - other);
  const high = sorted.find(([, reached]) => reached >= 0.95 * count)?.[0] ?? Infinity;
  return { count, mean: total(samples, `${name}_sum`, labels) / count, high };
}
