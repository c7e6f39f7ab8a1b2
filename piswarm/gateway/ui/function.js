// One function: its figures, trying it, its logs, its settings.

import { followLogs, invoke, remove, scale } from "./api.js";
import { figure } from "./chart.js";
import { describe, element, setText } from "./dom.js";
import { callsText, stateText } from "./functions.js";
import { latencies, rates } from "./history.js";

const SHOWN_BYTES = 200_000;
const LOG_TAIL = 200;
const LOG_KEPT = 2000;
const LOG_AGAIN_MS = 2000;
const TABS = ["invoke", "logs", "settings"];

let chosen = "";
let answered;
let logReader;
let changed = () => {};

// Shows the function named `name`, or nothing; `afterChange` is called when the page has changed something.
export function openFunction(name, afterChange) {
  changed = afterChange;
  if (name === chosen) return;
  chosen = name;
  element("answer").hidden = true;
  stopLogs();
  if (name) selectTab("invoke");
}

export function showFunction(functions) {
  const one = functions.find(({ name }) => name === chosen);
  element("panel").hidden = !one;
  if (!one) return;
  setText(element("panel-title"), one.name);
  element("reason").hidden = !one.reason;
  setText(element("reason"), one.reason);
  const speed = rates(one.name);
  element("figures").replaceChildren(
    figure("State", stateText(one)),
    figure("Calls", callsText(one)),
    figure("Rate", `${(speed.at(-1)?.value ?? 0).toFixed(1)}/s`, speed),
    figure("Latency", `${one.calls.latencyMs} ms`, latencies(one.name)),
  );
  showSettings(one);
}

// Tabs -------------------------------------------------------------------------------------------

function selectTab(name) {
  for (const tab of TABS) {
    const button = element(`tab-${tab}`);
    button.setAttribute("aria-selected", String(tab === name));
    button.tabIndex = tab === name ? 0 : -1;
    element(tab).hidden = tab !== name;
  }
  if (name === "logs") readLogs();
  else stopLogs();
}

for (const [index, tab] of TABS.entries()) {
  const button = element(`tab-${tab}`);
  button.addEventListener("click", () => selectTab(tab));
  button.addEventListener("keydown", ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!step) return;
    const next = TABS[(index + step + TABS.length) % TABS.length];
    selectTab(next);
    element(`tab-${next}`).focus();
  });
}

// Try it -----------------------------------------------------------------------------------------

element("invoke-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.target));
  element("send").disabled = true;
  try {
    showAnswer(await invoke(chosen, request(fields)));
  } catch (error) {
    showFailure(error);
  } finally {
    element("send").disabled = false;
    changed();
  }
});

function request({ method, path, type, body, file, headers }) {
  const given = headers.split("\n").filter((line) => line.includes(":"));
  const pairs = given.map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()]);
  return {
    method,
    path: rooted(path.trim()),
    body: file.size ? file : body,
    headers: { ...(method === "GET" ? {} : { "Content-Type": file.size ? file.type || type : type }), ...Object.fromEntries(pairs) },
  };
}

function rooted(path) {
  return path === "" || path.startsWith("/") || path.startsWith("?") ? path : `/${path}`;
}

async function showAnswer({ status, ok, milliseconds, headers, content }) {
  answered = content;
  const text = await readable(content);
  element("answer").hidden = false;
  element("answer").dataset.state = ok ? "good" : "bad";
  setText(element("answer-status"), status);
  setText(element("answer-time"), `in ${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`);
  setText(element("answer-body"), text);
  describe(element("answer-headers"), headers);
}

function showFailure(error) {
  const content = new Blob([`There was no answer: ${error.message}`], { type: "text/plain" });
  showAnswer({ status: "failed", ok: false, milliseconds: 0, headers: [], content });
}

async function readable(content) {
  const text = await content.slice(0, SHOWN_BYTES).text();
  if (content.size > SHOWN_BYTES) return `${text}\n… and ${content.size - SHOWN_BYTES} more bytes`;
  if (!content.type.includes("json")) return text || "(empty)";
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

element("save").addEventListener("click", () => {
  const address = URL.createObjectURL(answered);
  Object.assign(document.createElement("a"), { href: address, download: `${chosen}-answer` }).click();
  URL.revokeObjectURL(address);
});

// Logs -------------------------------------------------------------------------------------------

function stopLogs() {
  logReader?.abort();
  logReader = undefined;
}

async function readLogs() {
  stopLogs();
  const reader = (logReader = new AbortController());
  const place = element("log-lines");
  place.replaceChildren();
  try {
    await followLogs(chosen, LOG_TAIL, reader.signal, (line) => addLine(place, line));
  } catch (error) {
    if (!reader.signal.aborted) addLine(place, { timestamp: new Date().toISOString(), text: error.message });
  }
  if (reader === logReader) setTimeout(() => reader === logReader && readLogs(), LOG_AGAIN_MS);
}

function addLine(place, { timestamp, instance = "", text }) {
  const atEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 40;
  const line = document.createElement("span");
  const time = document.createElement("time");
  time.textContent = `${new Date(timestamp).toLocaleTimeString()} ${instance.slice(0, 5)} `;
  line.append(time, `${text}\n`);
  place.append(line);
  if (place.children.length > LOG_KEPT) place.firstElementChild.remove();
  if (atEnd) place.scrollTop = place.scrollHeight;
}

// Settings ---------------------------------------------------------------------------------------

function showSettings(one) {
  const replicas = element("scale-form").elements.replicas;
  if (document.activeElement !== replicas) replicas.value = one.replicas;
  element("edit").href = `#/deploy/${encodeURIComponent(one.name)}`;
  describe(element("facts"), [
    ["Address", new URL(`/function/${one.name}`, location).href],
    ["Image", one.image],
    ["Since", new Date(one.createdAt).toLocaleString()],
    ...named("Program", one.envProcess),
    ...pairs("Environment", one.envVars),
    ...pairs("Limit", one.limits),
    ...pairs("Reserved", one.requests),
    ...one.secrets.map((name) => ["Secret", name]),
    ...pairs("Label", one.labels),
    ...pairs("Annotation", one.annotations),
    ...one.constraints.map((text) => ["Placement", text]),
  ]);
}

const named = (term, text) => (text ? [[term, text]] : []);
const pairs = (term, values) => Object.entries(values ?? {}).map(([key, value]) => [term, `${key}=${value}`]);

element("scale-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  await attempt(() => scale(chosen, Number(event.target.elements.replicas.value)));
});

element("delete").addEventListener("click", () => {
  setText(element("confirm-title"), `Delete ${chosen}?`);
  element("confirm").returnValue = "";
  element("confirm").showModal();
});

element("confirm").addEventListener("close", async () => {
  if (element("confirm").returnValue !== "yes") return;
  if (await attempt(() => remove(chosen))) location.hash = "#/";
});

async function attempt(action) {
  try {
    await action();
    return true;
  } catch (error) {
    element("reason").hidden = false;
    setText(element("reason"), error.message);
    return false;
  } finally {
    changed();
  }
}
