// Shows an OpenAPI document and sends requests. Text of the document is never markup: it is set as text.
"use strict";

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
const MAX_DEPTH = 6;

const byId = (id) => document.getElementById(id);

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

async function main() {
  const operations = byId("operations");
  try {
    const response = await fetch(document.body.dataset.document);
    if (!response.ok) throw new Error(`the document was answered with ${response.status}`);
    const openapi = await response.json();
    document.title = openapi.info.title;
    byId("title").textContent = `${openapi.info.title} ${openapi.info.version}`;
    byId("description").textContent = openapi.info.description ?? "";
    authorize(openapi, byId("authorize"));
    show(openapi, operations);
  } catch (error) {
    operations.textContent = `The document could not be read: ${error.message}`;
  }
}

function show(openapi, place) {
  const groups = new Map();
  for (const [path, item] of Object.entries(openapi.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (!operation) continue;
      const tag = operation.tags?.[0] ?? "";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(panel(openapi, path, method, operation));
    }
  }
  place.replaceChildren();
  for (const [tag, panels] of groups) {
    place.append(element("section", {}, ...(tag ? [element("h2", { textContent: tag })] : []), ...panels));
  }
  byId("find").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const panel of place.querySelectorAll(".operation")) {
      panel.hidden = !panel.querySelector("summary").textContent.toLowerCase().includes(wanted);
    }
  });
}

function panel(openapi, path, method, operation) {
  const summary = element("summary", {},
    element("span", { className: `method ${method}`, textContent: operation["x-websocket"] ? "WS" : method.toUpperCase() }),
    element("span", { className: "path", textContent: path }),
    element("span", { className: "note", textContent: operation.summary ?? "" }));
  const inside = element("div");
  const details = element("details", { className: "operation", id: operation.operationId }, summary, inside);
  if (operation.deprecated) details.classList.add("deprecated");
  // Made when it is opened: a document may have thousands.
  details.addEventListener("toggle", () => {
    if (details.open && !inside.hasChildNodes()) fill(openapi, path, method, operation, inside);
  });
  return details;
}

function fill(openapi, path, method, operation, inside) {
  if (operation.security) inside.append(element("p", { className: "note", textContent: `For ${needs(operation)}.` }));
  if (operation.description) inside.append(element("p", { textContent: operation.description }));
  const form = element("form");
  const inputs = [];
  for (const parameter of operation.parameters ?? []) {
    const schema = resolve(openapi, parameter.schema);
    const control = input(schema, parameter);
    inputs.push({ parameter, control });
    form.append(element("label", {},
      element("code", { textContent: parameter.name }),
      ` in ${parameter.in}${parameter.required ? ", required" : ""} · ${kind(schema)} `,
      element("span", { className: "note", textContent: parameter.description ?? "" }),
      control));
  }
  const [mediaType, body] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  let text;
  if (mediaType) {
    text = mediaType === "multipart/form-data"
      ? element("input", { type: "file", multiple: true })
      : element("textarea", { spellcheck: false, value: example(openapi, mediaType, body.schema) });
    form.append(element("label", {}, `Body · ${mediaType}`, text));
  }
  const answer = element("div", { ariaLive: "polite" });
  if (!operation["x-websocket"]) form.append(element("button", { textContent: "Send" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(path, method, operation, inputs, mediaType, text, answer);
  });
  inside.append(form, answer, responses(openapi, operation));
}

function input(schema, parameter) {
  const choices = schema.enum ?? (schema.type === "boolean" ? ["true", "false"] : undefined);
  if (!choices) return element("input", { required: Boolean(parameter.required), value: schema.default ?? "" });
  const options = choices.map((choice) => element("option", { textContent: String(choice) }));
  return element("select", {}, ...(parameter.required ? [] : [element("option", { textContent: "", value: "" })]), ...options);
}

async function send(path, method, operation, inputs, mediaType, text, place) {
  let target = path;
  const query = new URLSearchParams();
  const headers = {};
  addCredentials(operation, { headers, query });
  for (const { parameter, control } of inputs) {
    if (control.value === "") continue;
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(control.value));
    // A list is written with commas.
    const values = kind(parameter.schema ?? {}).startsWith("list") ? control.value.split(",") : [control.value];
    if (parameter.in === "query") for (const value of values) query.append(parameter.name, value.trim());
    if (parameter.in === "header") headers[parameter.name] = control.value;
  }
  let body;
  if (mediaType === "multipart/form-data") {
    body = new FormData();
    for (const file of text.files) body.append("file", file);
  } else if (mediaType) {
    headers["content-type"] = mediaType;
    body = text.value;
  }
  const url = rooted(target) + (query.size ? `?${query}` : "");
  place.replaceChildren(element("p", { className: "note", textContent: `${method.toUpperCase()} ${url} …` }));
  try {
    const begun = performance.now();
    const response = await fetch(url, { method: method.toUpperCase(), headers, body: ["get", "head"].includes(method) ? undefined : body });
    const shown = element("pre");
    const head = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    place.replaceChildren(
      element("h3", { textContent: `${response.status} ${response.statusText} after ${Math.round(performance.now() - begun)} ms` }),
      element("pre", { textContent: head }), shown);
    await pour(response, shown);
  } catch (error) {
    place.replaceChildren(element("p", { textContent: `No answer: ${error.message}` }));
  }
}

/** A path of the application as the browser has it: relative to the page, as the application may be mounted. */
function rooted(target) {
  if (!target.startsWith("/")) return target;
  return new URL(document.body.dataset.root, location.href).pathname + target.slice(1);
}

/** Shows a body as it comes: a stream may have no end. */
async function pour(response, place) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    text = (text + value).slice(-100_000);
    place.textContent = text;
  }
  if (/json/.test(response.headers.get("content-type") ?? "")) {
    try {
      place.textContent = JSON.stringify(JSON.parse(text), null, 2);
    } catch { /* It stays as it came. */ }
  }
}

function responses(openapi, operation) {
  const place = element("div", {}, element("h3", { textContent: "Responses" }));
  for (const [status, response] of Object.entries(operation.responses ?? {})) {
    const [mediaType, body] = Object.entries(response.content ?? {})[0] ?? [];
    const summary = `${status} ${response.description}${mediaType ? ` · ${mediaType}` : ""}`;
    const shown = body && Object.keys(body.schema ?? {}).length
      ? [element("pre", { textContent: JSON.stringify(sample(openapi, body.schema, 0), null, 2) })]
      : [];
    place.append(element("p", { textContent: summary }), ...shown);
  }
  return place;
}

function resolve(openapi, schema) {
  let found = schema ?? {};
  for (let steps = 0; found.$ref && steps < MAX_DEPTH; steps++) {
    found = found.$ref.slice(2).split("/").reduce((value, step) => value?.[step], openapi) ?? {};
  }
  const choice = (found.anyOf ?? found.oneOf)?.find((choice) => choice.type !== "null");
  return choice && !found.type ? resolve(openapi, choice) : found;
}

function kind(schema) {
  const type = [schema.type ?? "any"].flat().find((name) => name !== "null") ?? "any";
  return type === "array" ? `list of ${schema.items?.type ?? "any"}` : type;
}

function example(openapi, mediaType, schema) {
  const value = sample(openapi, schema, 0);
  if (mediaType.includes("json")) return JSON.stringify(value, null, 2);
  if (mediaType.includes("urlencoded")) return new URLSearchParams(value).toString();
  return "";
}

/** A value that fits a schema, or nearly. */
function sample(openapi, schema, depth) {
  const found = resolve(openapi, schema);
  if (found.examples?.length) return found.examples[0];
  if (found.default !== undefined) return found.default;
  if (found.const !== undefined) return found.const;
  if (found.enum) return found.enum[0];
  switch (kind(found).split(" ")[0]) {
    case "object":
      if (depth > MAX_DEPTH) return {};
      return Object.fromEntries(Object.entries(found.properties ?? {}).map(([name, member]) => [name, sample(openapi, member, depth + 1)]));
    case "list":
      return depth > MAX_DEPTH || !found.items ? [] : [sample(openapi, found.items, depth + 1)];
    case "integer":
    case "number":
      return found.minimum ?? 0;
    case "boolean":
      return true;
    case "string":
      return "text";
    default:
      return null;
  }
}

main();
