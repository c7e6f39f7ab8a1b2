// The nodes of the cluster.

import { card, element, place, setText } from "./dom.js";

const list = element("nodes");
const GIB = 2 ** 30;

export function showNodes(nodes) {
  place(list, nodes.map(showNode));
}

function showNode(node) {
  const item = card(list, "node-card", node.name);
  const well = node.state === "ready" && node.availability === "active";
  item.dataset.state = well ? "ready" : node.state === "ready" ? "asleep" : "failing";
  const role = node.leader ? "manager, leads" : node.role;
  const state = node.availability === "active" ? node.state : `${node.state}, ${node.availability}`;
  setText(item.querySelector(".state"), `${role}, ${state}`);
  const board = [node.model, node.arch].filter(Boolean).join(", ");
  const size = `${node.cpus} CPUs, ${(node.memoryBytes / GIB).toFixed(1)} GiB`;
  const load = `${node.replicas} ${node.replicas === 1 ? "replica" : "replicas"}`;
  setText(item.querySelector(".image"), `${board} · ${size} · ${load}`);
  return item;
}
