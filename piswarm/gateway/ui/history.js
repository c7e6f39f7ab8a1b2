// What the functions did in the last minutes: HAProxy counts calls, the differences are rates.

const KEPT_MS = 5 * 60_000;
const histories = new Map();

// Takes down the figures of every function; forgets those that are gone.
export function note(functions, now = performance.now()) {
  const names = new Set(functions.map(({ name }) => name));
  for (const name of histories.keys()) if (!names.has(name)) histories.delete(name);
  for (const { name, calls } of functions) {
    const history = histories.get(name) ?? [];
    const total = Object.values(calls.answers).reduce((sum, count) => sum + count, 0);
    history.push({ at: now, total, failed: calls.answers["5xx"], latency: calls.latencyMs });
    while (history.length > 2 && history[0].at < now - KEPT_MS) history.shift();
    histories.set(name, history);
  }
}

// Calls a second between each two looks; a gateway that counts anew shows as nothing, not as less than nothing.
export function rates(name) {
  const history = histories.get(name) ?? [];
  return history.slice(1).map((point, i) => {
    const before = history[i];
    return { at: point.at, value: (Math.max(0, point.total - before.total) * 1000) / (point.at - before.at) };
  });
}

export const latencies = (name) => (histories.get(name) ?? []).map(({ at, latency }) => ({ at, value: latency }));

export function successRate({ calls }) {
  const total = Object.values(calls.answers).reduce((sum, count) => sum + count, 0);
  return total ? (100 * (total - calls.answers["5xx"])) / total : undefined;
}
