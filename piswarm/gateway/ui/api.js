// The gateway's API as the page uses it. The browser adds the credentials that it was asked for at /ui/.

const PATIENCE_MS = 8000;

async function ask(method, path, document) {
  const answer = await fetch(path, {
    method,
    headers: { Accept: "application/json", ...(document ? { "Content-Type": "application/json" } : {}) },
    body: document && JSON.stringify(document),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (!answer.ok) throw new Refusal(answer.status, (await answer.text()).trim());
  return answer;
}

export class Refusal extends Error {
  constructor(status, text) {
    super(text || `The gateway answered ${status}.`);
    this.status = status;
  }
}

export const listFunctions = async () => (await ask("GET", "/system/functions")).json();
export const listNodes = async () => (await ask("GET", "/system/nodes")).json();
export const listSecrets = async () => (await ask("GET", "/system/secrets")).json();
export const remove = (name) => ask("DELETE", "/system/functions", { functionName: name });
export const scale = (name, replicas) =>
  ask("POST", `/system/scale-function/${encodeURIComponent(name)}`, { serviceName: name, replicas });

// As faas-cli does: change it, or make it when there is none.
export async function deploy(document) {
  try {
    await ask("PUT", "/system/functions", document);
  } catch (error) {
    if (error.status !== 404) throw error;
    await ask("POST", "/system/functions", document);
  }
}

// Functions are called without the page's credentials: they are no business of theirs.
export async function invoke(name, { method, path, headers, body }) {
  const began = performance.now();
  const answer = await fetch(`/function/${encodeURIComponent(name)}${path}`, {
    method,
    headers,
    body: method === "GET" ? undefined : body,
    credentials: "omit",
    cache: "no-store",
    redirect: "manual",
  });
  const content = await answer.blob();
  return {
    status: answer.type === "opaqueredirect" ? "redirect" : answer.status,
    ok: answer.ok,
    milliseconds: performance.now() - began,
    headers: [...answer.headers],
    content,
  };
}

// Calls `take` with every log line until `signal` aborts or the stream ends.
export async function followLogs(name, tail, signal, take) {
  const query = new URLSearchParams({ name, tail, follow: "true" });
  const answer = await fetch(`/system/logs?${query}`, { signal });
  if (!answer.ok) throw new Refusal(answer.status, await answer.text());
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) take(JSON.parse(line));
  }
}
