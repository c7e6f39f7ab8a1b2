// The form that deploys a function from an image, or an existing one anew.

import { deploy, listSecrets } from "./api.js";
import { element, setText } from "./dom.js";

const form = element("deploy-form");
let edited;
let requests;

// Fills the form with `one`, or empties it for a new function.
export async function openDeploy(one) {
  edited = one?.name;
  requests = one?.requests;
  form.reset();
  element("deploy-verdict").hidden = true;
  setText(element("deploy-title"), one ? `Redeploy ${one.name}` : "Deploy from an image");
  form.elements.service.readOnly = Boolean(one);
  if (one) fill(one);
  await offerSecrets(one?.secrets ?? []);
}

function fill(one) {
  const fields = form.elements;
  fields.service.value = one.name;
  fields.image.value = one.image;
  fields.envProcess.value = one.envProcess;
  fields.envVars.value = lines(one.envVars);
  fields.labels.value = lines(one.labels);
  fields.annotations.value = lines(one.annotations);
  fields.constraints.value = one.constraints.join("\n");
  fields.memory.value = one.limits.memory ?? "";
  fields.cpu.value = one.limits.cpu ?? "";
  fields.readOnlyRootFilesystem.checked = one.readOnlyRootFilesystem;
}

async function offerSecrets(used) {
  const known = await listSecrets().catch(() => used.map((name) => ({ name })));
  const boxes = known.map(({ name }) => {
    const label = Object.assign(document.createElement("label"), { className: "check" });
    const box = Object.assign(document.createElement("input"), { type: "checkbox", name: "secret", value: name });
    box.checked = used.includes(name);
    label.append(box, ` ${name}`);
    return label;
  });
  element("secrets").hidden = boxes.length === 0;
  element("secrets").replaceChildren(element("secrets").firstElementChild, ...boxes);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = edited ?? form.elements.service.value;
  try {
    await deploy(written(name));
    location.hash = `#/function/${encodeURIComponent(name)}`;
  } catch (error) {
    element("deploy-verdict").hidden = false;
    setText(element("deploy-verdict"), error.message);
  }
});

function written(service) {
  const data = new FormData(form);
  const text = (name) => data.get(name).trim();
  const limits = { ...(text("memory") && { memory: text("memory") }), ...(text("cpu") && { cpu: text("cpu") }) };
  return {
    service,
    image: text("image"),
    envProcess: text("envProcess"),
    envVars: parsed(text("envVars")),
    labels: parsed(text("labels")),
    annotations: parsed(text("annotations")),
    constraints: text("constraints").split("\n").filter(Boolean),
    secrets: data.getAll("secret"),
    limits,
    requests,
    readOnlyRootFilesystem: data.has("readOnlyRootFilesystem"),
  };
}

const lines = (values) => Object.entries(values).map(([key, value]) => `${key}=${value}`).join("\n");

function parsed(text) {
  const given = text.split("\n").filter((line) => line.includes("="));
  return Object.fromEntries(given.map((line) => [line.slice(0, line.indexOf("=")).trim(), line.slice(line.indexOf("=") + 1)]));
}
