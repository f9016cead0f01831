// Forms sent as JSON (files as they are), with what is wrong shown at its field: `errors[].location` of the problem
// (RFC 9457) names the part of the request and the field.

export function forms() {
  for (const form of document.querySelectorAll("form[data-api]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form);
    });
  }
  for (const form of document.querySelectorAll("form[data-sure]")) {
    form.addEventListener("submit", (event) => {
      if (!confirm(form.dataset.sure)) event.preventDefault();
    });
  }
  // A tag is looked for as soon as it is chosen.
  const search = document.querySelector("form.search");
  search?.addEventListener("change", (event) => {
    if (event.target.type === "checkbox") search.requestSubmit();
  });
}

async function send(form) {
  const button = form.querySelector("button");
  if (button.disabled) return;
  button.disabled = true;
  show(form, new Map());
  try {
    const response = await fetch(form.dataset.api, { method: form.dataset.method, ...content(form) });
    if (response.ok) {
      location.assign(response.headers.get("location") ?? form.dataset.next);
      return;
    }
    show(form, problems(await response.json().catch(() => ({})), response));
  } catch {
    show(form, new Map([["", "The market cannot be reached. Nothing is lost: try again."]]));
  }
  button.disabled = false;
  // A button that is disabled loses the focus; who has no field to mend goes on from it.
  if (document.activeElement === document.body) button.focus();
}

function content(form) {
  if (form.enctype === "multipart/form-data") return { body: new FormData(form) };
  const body = {};
  for (const field of form.elements) {
    if (!field.name) continue;
    if (field.dataset.kind === "list") {
      body[field.name] ??= [];
      if (field.checked) body[field.name].push(field.value);
    } else if (field.dataset.kind === "number") {
      // What is no number goes as it is: the server says what is wrong with it.
      const text = field.value.trim();
      body[field.name] = text === "" || Number.isNaN(Number(text)) ? text : Number(text);
    } else {
      body[field.name] = field.value;
    }
  }
  return { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
}

// By the name of the field; "" is for the whole form.
function problems(problem, response) {
  const found = new Map();
  const add = (name, text) => found.set(name, found.has(name) ? `${found.get(name)}; ${text}` : text);
  for (const { location, detail } of problem.errors ?? []) {
    const [part, field] = location;
    add(part === "body" && typeof field === "string" ? field : "", detail);
  }
  if (found.size === 0) add("", problem.detail ?? problem.title ?? `The market says ${response.status}.`);
  return found;
}

function show(form, found) {
  const places = new Map([...form.querySelectorAll("[data-problem]")].map((place) => [place.dataset.problem, place]));
  const left = [];
  for (const [name, text] of found) {
    if (!places.has(name)) left.push(`${name}: ${text}`);
  }
  if (left.length > 0) found.set("", [found.get(""), ...left].filter(Boolean).join("; "));
  for (const [name, place] of places) {
    const text = found.get(name);
    place.textContent = text ?? "";
    place.hidden = text === undefined;
    for (const field of form.elements) {
      if (name !== "" && field.getAttribute("aria-describedby") === place.id) {
        if (text === undefined) field.removeAttribute("aria-invalid");
        else field.setAttribute("aria-invalid", "true");
      }
    }
  }
  form.querySelector("[aria-invalid]:not(fieldset), fieldset[aria-invalid] input")?.focus();
}
