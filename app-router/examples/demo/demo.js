"use strict";

// Text that comes from a server is only ever set as text.
const outputOf = (button) => button.closest("section").querySelector("output");
const add = (output, line) => {
  const lines = output.textContent.split("\n").filter((known) => known !== "");
  output.textContent = [...lines.slice(-5), line].join("\n");
};
const seconds = (start) => `${((performance.now() - start) / 1000).toFixed(2)} s`;

async function timed(request) {
  const start = performance.now();
  try {
    const response = await request();
    const text = (await response.text()).trim();
    return `${seconds(start)}  ${response.status}  ${text}`;
  } catch (error) {
    return `${seconds(start)}  ${error}`;
  }
}

async function run(button, request) {
  const output = outputOf(button);
  const times = Number(button.dataset.times ?? 1);
  const start = performance.now();
  button.disabled = true;
  output.textContent = "…";
  const lines = await Promise.all(Array.from({ length: times }, () => timed(request)));
  if (times > 1) {
    lines.push(`${seconds(start)}  all of them`);
  }
  output.textContent = lines.join("\n");
  button.disabled = false;
}

for (const button of document.querySelectorAll("[data-get]")) {
  // A browser asks for the same address once at a time while the answer might be cached.
  const request = () => fetch(button.dataset.get, { cache: "no-store" });
  button.addEventListener("click", () => run(button, request));
}

for (const button of document.querySelectorAll("[data-post]")) {
  const body = button.closest("section").querySelector("textarea");
  const request = () => fetch(button.dataset.post, { method: "POST", body: body.value });
  button.addEventListener("click", () => run(button, request));
}

for (const button of document.querySelectorAll("[data-events]")) {
  const output = outputOf(button);
  let source = null;
  button.addEventListener("click", () => {
    if (source) {
      source.close();
      source = null;
      button.textContent = "listen";
      add(output, "closed");
      return;
    }
    source = new EventSource(button.dataset.events);
    button.textContent = "stop";
    source.addEventListener("open", () => add(output, "open"));
    source.addEventListener("message", (event) => add(output, event.data));
    source.addEventListener("error", () => add(output, "lost, coming back"));
  });
}

for (const button of document.querySelectorAll("[data-socket]")) {
  const output = outputOf(button);
  const input = button.closest("section").querySelector("input");
  let socket = null;
  const open = () => new Promise((resolve) => {
    const address = new URL(button.dataset.socket, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    socket = new WebSocket(address);
    socket.addEventListener("open", resolve);
    socket.addEventListener("message", (event) => add(output, event.data));
    socket.addEventListener("close", (event) => {
      add(output, `closed (${event.code})`);
      socket = null;
      resolve();
    });
  });
  button.addEventListener("click", async () => {
    button.disabled = true;
    if (!socket) await open();
    socket?.send(input.value);
    button.disabled = false;
  });
}
