// How the link is, and what else must not be missed: the state beside the title and the banner below it.

import { $ } from "./conversation.js";

const STATES = {
  connecting: "Connecting…",
  open: "Connected",
  waiting: "Reconnecting…",
  ended: "Disconnected",
  closed: "",
};

/** `late`: what is said in the current room comes late. */
export function drawState(link, late) {
  const { kind } = link.state;
  isLate = late;
  const state = $("state");
  if (state.dataset.kind !== kind) {
    state.dataset.kind = kind;
    state.textContent = STATES[kind];
  }
  drawBanner(link);
}

let alerted = "";
let isLate = false;

/** Shows a notice until it is dismissed; an empty one takes it away. */
export function alertBanner(link, text) {
  alerted = text;
  drawBanner(link);
}

function drawBanner(link) {
  const { state } = link;
  const show = (text, label, act) => {
    if ($("banner-text").textContent !== text) $("banner-text").textContent = text;
    $("banner-action").textContent = label;
    $("banner-action").hidden = !label;
    $("banner-action").onclick = act;
    $("banner").hidden = false;
  };
  if (state.kind === "ended") show(`The server ended the connection: ${state.reason}.`, "Connect again", () => link.open());
  else if (alerted) show(alerted, "Dismiss", () => alertBanner(link, ""));
  else if (state.kind === "waiting" && state.until - performance.now() > 1_500) {
    show("Connection lost. What you write is kept and sent later.", "Try now", () => link.hurry());
  } else if (isLate) show("The server is cut off from this room. What is said here comes late.", "", null);
  else if (state.kind !== "connecting" || $("banner").hidden) $("banner").hidden = true;
}
