import { invoke, listFunctions } from "./api.js";

const REFRESH_MS = 2000;
const SHOWN_BYTES = 200_000;
const FILTER_FROM = 8;

const element = (id) => document.getElementById(id);
const list = element("functions");
const panel = element("panel");
const form = element("invoke");

let functions = [];
let chosen = decodeURIComponent(location.hash.slice(1));

// The list ---------------------------------------------------------------------------------------

async function refresh() {
  try {
    functions = await listFunctions();
    connection("live", "live");
    show();
  } catch (error) {
    connection("lost", `no answer from the gateway: ${error.message}`);
  }
}

async function refreshForever() {
  if (!document.hidden) await refresh();
  setTimeout(refreshForever, REFRESH_MS);
}

function connection(state, text) {
  const place = element("connection");
  place.dataset.state = state;
  if (place.textContent !== text) place.textContent = text;
}

function show() {
  const wanted = element("filter").value.toLowerCase();
  const shown = functions.filter(({ name }) => name.includes(wanted));
  element("filter").hidden = functions.length < FILTER_FROM;
  element("empty").hidden = functions.length > 0;
  const cards = new Map([...list.children].map((card) => [card.dataset.name, card]));
  place(list, shown.map((one) => describeCard(cards.get(one.name) ?? newCard(one.name), one)));
  showPanel();
}

// Leaves children that are in place alone: moving one would take the focus from it.
function place(parent, children) {
  if (children.length === parent.children.length && children.every((child, i) => child === parent.children[i])) return;
  parent.replaceChildren(...children);
}

function newCard(name) {
  const card = element("card").content.firstElementChild.cloneNode(true);
  card.dataset.name = name;
  card.querySelector(".name").textContent = name;
  card.querySelector("button").addEventListener("click", () => choose(name));
  return card;
}

function describeCard(card, one) {
  const { state, text } = readiness(one);
  card.dataset.state = state;
  card.querySelector(".state").textContent = text;
  card.querySelector(".image").textContent = one.image;
  card.querySelector("button").setAttribute("aria-current", String(one.name === chosen));
  return card;
}

function readiness({ replicas, availableReplicas }) {
  const figures = `${availableReplicas}/${replicas} ready`;
  if (replicas === 0) return { state: "asleep", text: "asleep" };
  return { state: availableReplicas >= replicas ? "ready" : "starting", text: figures };
}

// One function -----------------------------------------------------------------------------------

function choose(name) {
  chosen = name;
  history.replaceState(null, "", name ? `#${encodeURIComponent(name)}` : location.pathname);
  element("answer").hidden = true;
  show();
  if (name) element("panel-title").focus();
}

function showPanel() {
  const one = functions.find(({ name }) => name === chosen);
  panel.hidden = !one;
  if (!one) return;
  element("panel-title").textContent = one.name;
  fill(element("facts"), [
    ["State", readiness(one).text],
    ["Image", one.image],
    ["Address", new URL(`/function/${one.name}`, location).href],
    ...(one.createdAt ? [["Since", new Date(one.createdAt).toLocaleString()]] : []),
  ]);
}

function fill(place, pairs) {
  const texts = pairs.flat().map(String);
  const shown = [...place.children].map((child) => child.textContent);
  if (texts.length === shown.length && texts.every((text, index) => text === shown[index])) return;
  place.replaceChildren(
    ...texts.map((text, index) => {
      const item = document.createElement(index % 2 ? "dd" : "dt");
      item.textContent = text;
      return item;
    }),
  );
}

// Invoking ---------------------------------------------------------------------------------------

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form));
  element("send").disabled = true;
  try {
    showAnswer(await invoke(chosen, { ...fields, path: rooted(fields.path.trim()) }));
  } catch (error) {
    showFailure(error);
  } finally {
    element("send").disabled = false;
  }
});

function rooted(path) {
  return path === "" || path.startsWith("/") || path.startsWith("?") ? path : `/${path}`;
}

function showAnswer({ status, ok, milliseconds, type, headers, content }) {
  element("answer").hidden = false;
  element("answer").dataset.state = ok ? "good" : "bad";
  element("answer-status").textContent = status;
  element("answer-time").textContent = `in ${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
  element("answer-body").textContent = readable(content, type);
  fill(element("answer-headers"), headers);
}

function showFailure(error) {
  showAnswer({
    status: "no answer",
    ok: false,
    milliseconds: 0,
    type: "text/plain",
    headers: [],
    content: new TextEncoder().encode(`The gateway could not be reached: ${error.message}`).buffer,
  });
}

function readable(content, type) {
  const text = new TextDecoder().decode(content.slice(0, SHOWN_BYTES));
  const rest = content.byteLength - SHOWN_BYTES;
  if (rest > 0) return `${text}\n… and ${rest} more bytes`;
  if (!type.includes("json")) return text || "(empty)";
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

element("close").addEventListener("click", () => choose(""));
element("filter").addEventListener("input", show);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chosen) choose("");
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());
refreshForever();
