// The conversation on the screen: messages, notices, drafts, and the reader's place in them. What others wrote goes
// through `textContent` alone.

import { presenceText } from "./rooms.js";

/** Messages of one author within this time stand under one name. */
const GROUP_MS = 5 * 60_000;

/** Closer to the end than this, in pixels, the reader follows the conversation. */
const NEAR_END = 80;

/** One author's run of messages under one name has no more than this. */
const SHOWN_RUN = 20;

/** So many entries more than twice the log may be on the screen. */
const DRAWN_MORE = 100;

/** Closer to the top than this, in pixels, older messages are asked for. */
const NEAR_TOP = 400;

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

/** Draws the whole log, which screen readers do not read out: it is not news. The reader is then at its end. */
export function drawLog(room) {
  drawAll(room);
  toEnd();
}

/** Draws a log that has grown at its top; the reader stays where they are. */
export function drawOlder(room) {
  const { scrollHeight, scrollTop } = $("scroll");
  drawAll(room);
  $("scroll").scrollTop = $("scroll").scrollHeight - scrollHeight + scrollTop;
}

function drawAll(room) {
  const log = $("log");
  log.setAttribute("aria-live", "off");
  log.replaceChildren();
  nodes = new WeakMap();
  marked = false;
  drawn = room.log.length;
  if (room.more) log.append(element("p", "notice earlier", "Earlier messages…"));
  else if (room.joined && room.first === 1) log.append(element("p", "notice", "This is where the room begins."));
  if (room.joined && room.log.length === 0 && !room.more) log.append(element("p", "empty", "No messages yet. Say hello!"));
  for (const entry of room.log) appendEntry(entry, room);
  setTimeout(() => log.setAttribute("aria-live", "polite"), 500);
}

/** Whether the line "New" is drawn, and how many entries are. */
let marked = false;
let drawn = 0;

/** The nodes of drawn presence entries, which may still change. */
let nodes = new WeakMap();

/** Draws one entry at the end, or again where it stands. */
export function drawEntry(entry, room) {
  $("log").querySelector(".empty")?.remove();
  // The log lets its oldest entries go, and so does the screen, though not for each.
  if (follows && ++drawn > 2 * room.log.length + DRAWN_MORE) drawAll(room);
  else appendEntry(entry, room);
  if (follows) toEnd();
  else if (entry.kind === "message") offerEnd();
}

function appendEntry(entry, room) {
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
    if (!marked && room.mark !== null && entry.message.o > room.mark && entry.message.from.user !== room.me?.user) {
      marked = true;
      log.append(element("p", "new-mark", "New"));
    }
    appendMessage(log, entry.message, room.me);
  }
}

function appendMessage(log, { from, ts, text }, me) {
  const day = new Date(ts).toDateString();
  let group = log.lastElementChild;
  if (group?.hidden) group = group.previousElementSibling;
  const sameDay = log.dataset.day === day && log.querySelector(".day") !== null;
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
      mark.textContent = draft.state === "sent" ? "Sent" : !room.joined ? "Waiting for the connection" : draft.reason ? `Waiting: ${draft.reason}` : "Sending…";
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

/** Called when the reader gets near the top, and when they come to the end or go from it. */
let reader = { wantsOlder() {}, atEnd() {} };

export function listenToReader(listener) {
  reader = listener;
}

/** Whether the reader is at the end and wants to stay there, whatever grows or shrinks. */
let follows = true;

export function toEnd() {
  const came = !follows;
  follows = true;
  $("scroll").scrollTop = $("scroll").scrollHeight;
  hideOffer();
  if (came) reader.atEnd(true);
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

export const isAtEnd = () => follows;

const readsOn = () => {
  const { scrollHeight, scrollTop, clientHeight } = $("scroll");
  const before = follows;
  follows = scrollHeight - scrollTop - clientHeight < NEAR_END;
  if (follows) hideOffer();
  if (follows !== before) reader.atEnd(follows);
  if (scrollTop < NEAR_TOP) reader.wantsOlder();
};
$("scroll").addEventListener("scroll", readsOn, { passive: true });
// A screen keyboard, a longer draft, a banner: none of them may hide the last message.
const sizes = new ResizeObserver(() => follows && toEnd());
for (const id of ["scroll", "log", "pending"]) sizes.observe($(id));
$("newest").addEventListener("click", () => {
  toEnd();
  $("text").focus();
});
