// The gateway's API as the page uses it. The browser adds the credentials that it was asked for at /ui/.

const PATIENCE_MS = 8000;

export async function listFunctions() {
  const answer = await fetch("/system/functions", {
    headers: { Accept: "application/json" },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

// Functions are called without the page's credentials: they are no business of theirs.
export async function invoke(name, { method, path, type, body }) {
  const began = performance.now();
  const answer = await fetch(`/function/${encodeURIComponent(name)}${path}`, {
    method,
    credentials: "omit",
    cache: "no-store",
    redirect: "manual",
    ...(method === "GET" ? {} : { body, headers: { "Content-Type": type } }),
  });
  const content = await answer.arrayBuffer();
  return {
    status: answer.type === "opaqueredirect" ? "redirect" : answer.status,
    ok: answer.ok,
    milliseconds: performance.now() - began,
    type: answer.headers.get("Content-Type") ?? "",
    headers: [...answer.headers],
    content,
  };
}
