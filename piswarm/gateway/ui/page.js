// The page: which view the address asks for, and the figures that come in by themselves.

import { listFunctions, listNodes } from "./api.js";
import { openDeploy } from "./deploy.js";
import { element, setText } from "./dom.js";
import { openFunction, showFunction } from "./function.js";
import { showFunctions } from "./functions.js";
import { note } from "./history.js";
import { showNodes } from "./nodes.js";

const REFRESH_MS = 2000;
const VIEWS = ["functions", "nodes", "deploy"];

let functions;
let view = "functions";
let chosen = "";

// What the address asks for: #/, #/function/NAME, #/nodes, #/deploy or #/deploy/NAME
function route() {
  const [kind = "", name = ""] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  view = VIEWS.includes(kind) ? kind : "functions";
  chosen = view === "functions" && kind === "function" ? name : "";
  for (const one of VIEWS) {
    element(`view-${one}`).hidden = one !== view;
    const link = document.querySelector(`nav [data-view="${one}"]`);
    if (one === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  openFunction(chosen, refresh);
  if (view === "deploy") openDeploy(functions?.find((one) => one.name === name));
  show();
}

async function refresh() {
  try {
    const [listed, nodes] = await Promise.all([listFunctions(), view === "nodes" ? listNodes() : []]);
    const first = functions === undefined;
    functions = listed;
    note(functions);
    if (view === "nodes") showNodes(nodes);
    connection("live", "live");
    if (first) route();
    else show();
  } catch (error) {
    connection("lost", "no answer");
    setText(element("alarm"), `The gateway does not answer; what you see is from before. ${error.message}`);
  }
  element("alarm").hidden = element("connection").dataset.state !== "lost";
}

function show() {
  if (functions === undefined) return;
  showFunctions(functions, chosen);
  if (view === "functions") showFunction(functions);
  else element("panel").hidden = true;
}

function connection(state, text) {
  element("connection").dataset.state = state;
  setText(element("connection"), text);
}

async function refreshForever() {
  if (!document.hidden) await refresh();
  setTimeout(refreshForever, REFRESH_MS);
}

window.addEventListener("hashchange", () => {
  route();
  refresh();
  if (chosen) element("panel-title").focus();
});
element("filter").addEventListener("input", show);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chosen && !element("confirm").open) location.hash = "#/";
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());
route();
refreshForever();
