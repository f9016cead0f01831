// The box in which one writes: how long the text is, and when it is sent.

import { $ } from "./conversation.js";
import { TEXT_BYTES, byteLength, tidy } from "./rooms.js";

/** How often the server is told that we are writing. */
const TYPING_EVERY_MS = 3_000;

/** From this many bytes on the writer sees how many are left. */
const TELL_LEFT_FROM = TEXT_BYTES - 500;

let toldAt = -TYPING_EVERY_MS;

/** What is written and not sent. */
export const written = () => $("text").value;

/** Puts a text there. */
export function write(text) {
  $("text").value = text;
  grow();
}

/** `say` takes a finished text, `writes` hears that one is written. */
export function listenToWriter({ say, writes }) {
  $("text").addEventListener("input", () => {
    grow();
    const now = performance.now();
    if (!written() || now - toldAt < TYPING_EVERY_MS) return;
    toldAt = now;
    writes();
  });
  $("compose").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = tidy(written());
    $("text").focus();
    if (!text.trim() || byteLength(text) > TEXT_BYTES) return;
    toldAt = -TYPING_EVERY_MS;
    write("");
    say(text);
  });
}

function grow() {
  const text = $("text");
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
  const left = TEXT_BYTES - byteLength(tidy(text.value));
  $("text-room").textContent = left < TEXT_BYTES - TELL_LEFT_FROM ? (left < 0 ? `${-left} bytes too long` : `${left} bytes left`) : "";
  text.setAttribute("aria-invalid", String(left < 0));
}

$("text").addEventListener("keydown", (event) => {
  // While an input method composes, Enter belongs to it.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("compose").requestSubmit();
  }
});
