// The list of functions.

import { points } from "./chart.js";
import { card, element, place, setText } from "./dom.js";
import { rates, successRate } from "./history.js";

const FILTER_FROM = 8;
const list = element("functions");

export function showFunctions(functions, chosen) {
  const wanted = element("filter").value.toLowerCase();
  element("filter").hidden = functions.length < FILTER_FROM;
  element("empty").hidden = functions.length > 0;
  place(
    list,
    functions.filter(({ name }) => name.includes(wanted)).map((one) => showCard(one, chosen)),
  );
}

function showCard(one, chosen) {
  const item = card(list, "card", one.name);
  const link = item.querySelector("a");
  link.href = `#/function/${encodeURIComponent(one.name)}`;
  if (one.name === chosen) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
  item.dataset.state = one.state;
  setText(item.querySelector(".state"), stateText(one));
  setText(item.querySelector(".image"), one.image.replace(/@sha256:.*/, ""));
  setText(item.querySelector(".calls"), callsText(one));
  item.querySelector("polyline").setAttribute("points", points(rates(one.name)));
  return item;
}

export function stateText({ state, replicas, availableReplicas }) {
  return state === "asleep" ? "asleep" : `${state} ${availableReplicas}/${replicas}`;
}

export function callsText(one) {
  const success = successRate(one);
  const count = `${one.invocationCount.toLocaleString()} ${one.invocationCount === 1 ? "call" : "calls"}`;
  return success === undefined ? count : `${count}, ${success.toFixed(success < 100 ? 1 : 0)} % good`;
}
