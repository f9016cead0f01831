// What proves who asks: one group of fields for each security scheme of the document, kept until the page is left.
"use strict";

/** Name of a scheme -> what it adds to a request, made when it is sent. */
const credentials = new Map();

function authorize(openapi, place) {
  for (const [name, scheme] of Object.entries(openapi.components?.securitySchemes ?? {})) {
    const group = element("fieldset", { name }, element("legend", { textContent: name }));
    if (scheme.description) group.append(element("p", { className: "note", textContent: scheme.description }));
    group.append(...controls(openapi, name, scheme));
    place.append(group);
  }
  place.hidden = !place.querySelector("fieldset");
}

function controls(openapi, name, scheme) {
  const keep = (add) => credentials.set(name, add);
  switch (scheme.type) {
    case "apiKey": {
      const key = field(`${scheme.name} in ${scheme.in}`, "password");
      keep(({ headers, query }) => {
        const value = key.input.value;
        if (value === "") return;
        if (scheme.in === "header") headers[scheme.name] = value;
        if (scheme.in === "query") query.append(scheme.name, value);
        // A script cannot set the field, and the browser can.
        if (scheme.in === "cookie") document.cookie = `${scheme.name}=${encodeURIComponent(value)}; path=/; samesite=strict`;
      });
      return [key.label];
    }
    case "http": {
      if (scheme.scheme === "basic") {
        const user = field("User"), password = field("Password", "password");
        keep(({ headers }) => {
          if (user.input.value + password.input.value === "") return;
          headers.authorization = `Basic ${base64(`${user.input.value}:${password.input.value}`)}`;
        });
        return [user.label, password.label];
      }
      return [tokenField(keep).label];
    }
    default: {
      const token = tokenField(keep);
      const flows = Object.entries(scheme.flows ?? {}).map(([grant, flow]) => flowForm(openapi, grant, flow, token.input));
      const note = scheme.openIdConnectUrl ? [element("p", { className: "note", textContent: `The token is had as ${scheme.openIdConnectUrl} says.` })] : [];
      return [...note, ...flows, token.label];
    }
  }
}

function field(text, type = "text") {
  const input = element("input", { type, name: text, autocomplete: "off" });
  return { input, label: element("label", {}, `${text} `, input) };
}

function tokenField(keep) {
  const token = field("Token", "password");
  keep(({ headers }) => {
    if (token.input.value !== "") headers.authorization = `Bearer ${token.input.value}`;
  });
  return token;
}

/** Asks for a token, or says where a person gets one. */
function flowForm(openapi, grant, flow, token) {
  const asks = { password: ["username", "password"], clientCredentials: ["client_id", "client_secret"] }[grant];
  const scopes = Object.entries(flow.scopes).map(([scope, what]) => {
    const box = element("input", { type: "checkbox", value: scope });
    return { box, label: element("label", { className: "scope" }, box, ` ${scope} `, element("span", { className: "note", textContent: what })) };
  });
  if (!asks) {
    return element("p", { className: "note", textContent: `A token is had at ${flow.authorizationUrl}; paste it below.` });
  }
  const fields = asks.map((name) => [name, field(name, /password|secret/.test(name) ? "password" : "text")]);
  const said = element("p", { className: "note", ariaLive: "polite" });
  const form = element("form", { name: grant }, ...fields.map(([, field]) => field.label), ...scopes.map((scope) => scope.label),
    element("button", { textContent: "Get a token" }), said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = new URLSearchParams(fields.map(([name, field]) => [name, field.input.value]));
    body.set("grant_type", grant === "password" ? "password" : "client_credentials");
    const wanted = scopes.filter(({ box }) => box.checked).map(({ box }) => box.value);
    if (wanted.length) body.set("scope", wanted.join(" "));
    try {
      const answer = await fetch(rooted(flow.tokenUrl), { method: "POST", body });
      const found = await answer.json();
      if (!answer.ok || !found.access_token) throw new Error(found.detail ?? found.error ?? `the answer was ${answer.status}`);
      token.value = found.access_token;
      said.textContent = "There is a token.";
    } catch (error) {
      said.textContent = `There is no token: ${error.message}`;
    }
  });
  return form;
}

/** Adds to a request what its operation may need, as far as it was given: an empty field adds nothing. */
function addCredentials(operation, request) {
  for (const name of new Set((operation.security ?? []).flatMap(Object.keys))) credentials.get(name)?.(request);
}

/** What an operation needs, in words. */
function needs(operation) {
  const ways = (operation.security ?? []).map((way) => Object.entries(way)
    .map(([name, scopes]) => name + (scopes.length ? ` (${scopes.join(", ")})` : "")).join(" and ") || "nobody");
  return ways.join(", or ");
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
