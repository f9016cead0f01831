// The conversation on the screen: messages, notices, drafts, and the reader's place in them. What others wrote goes
// through `textContent` alone.

import { presenceText } from "./rooms.js";

/** Messages of one author within this time stand under one name. */
const GROUP_MS = 5 * 60_000;

/** Closer to the end than this, in pixels, the reader follows the conversation. */
const NEAR_END = 80;

/** The screen keeps no more than this of a log, and of one author's run of messages. */
const SHOWN_ENTRIES = 300;
const SHOWN_RUN = 20;

export const $ = (id) => document.getElementById(id);

export function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** A person as a round mark with a letter, in a colour of their own. */
export function drawAvatar(node, person) {
  node.textContent = [...person.nick][0].toUpperCase();
  node.style.setProperty("--hue", String(Number.parseInt(person.user.slice(0, 6), 16) % 360));
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

/** Draws the whole log, which screen readers do not read out: it is not news. */
export function drawLog(room) {
  const log = $("log");
  log.setAttribute("aria-live", "off");
  log.replaceChildren();
  nodes = new WeakMap();
  if (room.joined && room.log.length === 0) log.append(element("p", "empty", "No messages yet. Say hello!"));
  for (const entry of room.log) appendEntry(entry, room.me);
  toEnd();
  setTimeout(() => log.setAttribute("aria-live", "polite"), 500);
}

/** The nodes of drawn presence entries, which may still change. */
let nodes = new WeakMap();

/** Draws one entry at the end, or again where it stands. */
export function drawEntry(entry, me) {
  $("log").querySelector(".empty")?.remove();
  appendEntry(entry, me);
  if (follows) toEnd();
  else if (entry.kind === "message") offerEnd();
}

function appendEntry(entry, me) {
  const log = $("log");
  if (entry.kind === "presence") {
    const node = nodes.get(entry) ?? element("p", "notice");
    node.textContent = presenceText(entry);
    node.hidden = !node.textContent;
    if (!nodes.has(entry)) log.append(node);
    nodes.set(entry, node);
  } else if (entry.kind === "notice") {
    log.append(element("p", "notice", entry.text));
  } else {
    appendMessage(log, entry.message, me);
  }
  while (log.childElementCount > SHOWN_ENTRIES) log.firstElementChild.remove();
}

function appendMessage(log, { from, ts, text }, me) {
  const day = new Date(ts).toDateString();
  let group = log.lastElementChild;
  if (group?.hidden) group = group.previousElementSibling;
  const sameDay = log.dataset.day === day && log.childElementCount > 0;
  if (!sameDay) {
    log.append(element("p", "day", calendar.format(ts)));
    log.dataset.day = day;
  }
  const joins =
    sameDay &&
    group?.dataset.user === from.user &&
    group.dataset.nick === from.nick &&
    ts - group.dataset.ts < GROUP_MS &&
    group.childElementCount < SHOWN_RUN;
  if (!joins) {
    group = element("article", from.user === me?.user ? "group own" : "group");
    group.dataset.user = from.user;
    group.dataset.nick = from.nick;
    const avatar = element("span", "avatar");
    avatar.setAttribute("aria-hidden", "true");
    drawAvatar(avatar, from);
    const head = element("header", "group-head");
    const time = element("time", "muted", clock.format(ts));
    time.dateTime = new Date(ts).toISOString();
    head.append(element("strong", "group-nick", from.nick), " ", time);
    group.append(avatar, head);
    log.append(group);
  }
  group.dataset.ts = ts;
  const line = element("p", "text", text);
  // Read out alone, a further line would have no author.
  if (joins) line.prepend(element("span", "unseen", `${from.nick}: `));
  line.title = clock.format(ts);
  group.append(line);
}

/** Draws what is not sent yet; what failed can be tried again or discarded. */
export function drawDrafts(room, { retry, discard }) {
  const items = room.pending.map((draft) => {
    const item = element("li", draft.state === "failed" ? "draft failed" : "draft");
    item.append(element("p", "text", draft.text));
    const mark = element("p", "draft-mark");
    if (draft.state === "failed") {
      const again = button("Try again", () => retry(draft));
      const away = button("Discard", () => discard(draft));
      mark.append(`Not sent: ${draft.reason}. `, again, " ", away);
    } else {
      mark.textContent = room.joined ? "Sending…" : "Waiting for the connection";
    }
    item.append(mark);
    return item;
  });
  $("pending").replaceChildren(...items);
  if (follows) toEnd();
}

function button(text, act) {
  const node = element("button", "quiet", text);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

/** Whether the reader is at the end and wants to stay there, whatever grows or shrinks. */
let follows = true;

export function toEnd() {
  follows = true;
  $("scroll").scrollTop = $("scroll").scrollHeight;
  hideOffer();
}

let unseenBelow = 0;

function offerEnd() {
  unseenBelow += 1;
  $("newest-text").textContent = unseenBelow === 1 ? "1 new message" : `${unseenBelow} new messages`;
  $("newest").hidden = false;
}

function hideOffer() {
  unseenBelow = 0;
  $("newest").hidden = true;
}

const readsOn = () => {
  const { scrollHeight, scrollTop, clientHeight } = $("scroll");
  follows = scrollHeight - scrollTop - clientHeight < NEAR_END;
  if (follows) hideOffer();
};
$("scroll").addEventListener("scroll", readsOn, { passive: true });
// A screen keyboard, a longer draft, a banner: none of them may hide the last message.
const sizes = new ResizeObserver(() => follows && toEnd());
for (const id of ["scroll", "log", "pending"]) sizes.observe($(id));
$("newest").addEventListener("click", () => {
  toEnd();
  $("text").focus();
});
