// The page: puts link.js and rooms.js together, and shows them. What others wrote goes through `textContent` alone.

import { Link, LinkLost } from "./link.js";
import { Room, TEXT_BYTES, byteLength, list, presenceText, tidy } from "./rooms.js";

/** Messages of one author within this time stand under one name. */
const GROUP_MS = 5 * 60_000;

/** How often the server is told that we are writing. */
const TYPING_EVERY_MS = 2_500;

/** From this many bytes on the writer sees how many are left. */
const TELL_LEFT_FROM = TEXT_BYTES - 500;

/** Closer to the end than this, in pixels, the reader follows the conversation. */
const NEAR_END = 80;

const $ = (id) => document.getElementById(id);
const rooms = new Map();
let nick = "";
let current = null;
let typingToldAt = 0;

const link = new Link(address(), { onState, onFrame });

// ---- what the browser remembers ----

function remembered(store, name, otherwise) {
  try {
    return JSON.parse(store().getItem(`chat.${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function remember(store, name, value) {
  try {
    store().setItem(`chat.${name}`, JSON.stringify(value));
  } catch {
    // Storage may be forbidden or full: then nothing outlives the page.
  }
}

// Functions, because even reading the property throws where storage is forbidden.
const browser = () => localStorage;
const tab = () => sessionStorage;

/** Our secret: the same in every tab, so that all of them are one person. */
function userKey() {
  let key = remembered(browser, "key", null);
  if (!key) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    key = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    remember(browser, "key", key);
  }
  return key;
}
const secret = userKey();

function keepRooms() {
  remember(tab, "rooms", [...rooms.keys()]);
  const unsent = [...rooms.values()].filter((room) => room.pending.length);
  remember(tab, "unsent", Object.fromEntries(unsent.map((room) => [room.name, room.pending])));
}

function address() {
  const url = new URL("ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  return url.href;
}

function roomOfAddress() {
  try {
    const hash = decodeURIComponent(location.hash.slice(1));
    return (hash || new URLSearchParams(location.search).get("room") || "").trim();
  } catch {
    return "";
  }
}

// ---- rooms ----

function enterRoom(name) {
  let room = rooms.get(name);
  if (!room) {
    room = new Room(name);
    const unsent = remembered(tab, "unsent", {})[name];
    if (Array.isArray(unsent)) room.pending = unsent.map((draft) => ({ ...draft, state: "waiting" }));
    rooms.set(name, room);
    keepRooms();
    join(room);
  }
  show(room);
}

async function join(room) {
  if (room.joining || link.state.kind !== "open") return;
  room.joining = true;
  try {
    const reply = await link.request({ t: "join", room: room.name, nick, key: secret, since: room.since });
    if (reply.t === "ok") welcomed(room, reply);
    else if (reply.retry) later(reply.after_ms, () => join(room));
    else turnedAway(room, reply.msg);
  } catch (error) {
    if (!(error instanceof LinkLost)) throw error;
  } finally {
    room.joining = false;
  }
}

function welcomed(room, reply) {
  if (rooms.get(room.name) !== room) {
    link.request({ t: "leave", room: reply.room }).catch(() => {});
    return;
  }
  // The server writes the name in one way; other spellings of it are the same room.
  if (reply.room !== room.name) {
    rooms.delete(room.name);
    room.name = reply.room;
    rooms.set(room.name, room);
    keepRooms();
  }
  const first = room.epoch === null;
  const added = room.welcome(reply, nick);
  if (!first) countUnread(room, added);
  if (room === current) {
    if (first) drawLog();
    else added.forEach(drawEntry);
    location.replace(`#${encodeURIComponent(room.name)}`);
    drawRoom();
  }
  drawPending();
  drawRooms();
  pump(room);
}

function turnedAway(room, why) {
  forget(room);
  if (rooms.size) alertBanner(`#${room.name}: ${why}`);
  else toDoor(why);
}

function leave(room) {
  if (room.joined) link.request({ t: "leave", room: room.name }).catch(() => {});
  forget(room);
  if (rooms.size === 0) toDoor("");
}

function forget(room) {
  rooms.delete(room.name);
  keepRooms();
  if (room === current) {
    current = null;
    const next = rooms.values().next().value;
    if (next) show(next);
  }
  drawRooms();
}

/** Sends what is pending, one after the other, so that the order stays. */
async function pump(room) {
  const draft = room.pending.find(({ state }) => state !== "failed");
  if (!draft || draft.state === "sending" || draft.state === "held" || !room.joined) return;
  draft.state = "sending";
  try {
    const reply = await link.request({ t: "send", room: room.name, cid: draft.cid, text: draft.text });
    if (reply.t === "ok") room.accepted(draft.cid);
    else if (reply.retry) {
      draft.state = "held";
      later(reply.after_ms, () => {
        draft.state = "waiting";
        pump(room);
      });
      return;
    } else {
      draft.state = "failed";
      draft.reason = reply.msg;
    }
  } catch (error) {
    if (!(error instanceof LinkLost)) throw error;
    draft.state = "waiting";
    return;
  }
  keepRooms();
  if (room === current) drawPending();
  pump(room);
}

function say(text) {
  const cid = [...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16).padStart(2, "0")).join("");
  current.pending.push({ cid, text, state: "waiting" });
  keepRooms();
  drawPending();
  toEnd();
  pump(current);
}

function later(ms, task) {
  setTimeout(task, ms ?? 1_000);
}

function countUnread(room, entries) {
  if (room === current && !document.hidden) return;
  const theirs = ({ kind, message }) => kind === "message" && message.from.user !== room.me?.user;
  room.unread += entries.filter(theirs).length;
}

// ---- what the server says ----

function onFrame(frame) {
  const room = rooms.get(frame.room);
  if (!room?.joined) return;
  switch (frame.t) {
    case "msg": {
      const added = room.say(frame);
      countUnread(room, added);
      if (room === current) {
        drawPending();
        added.forEach(drawEntry);
        drawTyping();
      }
      if (frame.from.user === room.me.user) keepRooms();
      drawRooms();
      break;
    }
    case "presence": {
      const entry = room.presence(frame);
      if (room === current) {
        if (entry) drawEntry(entry);
        drawPeople();
      }
      break;
    }
    case "typing":
      room.writes(frame.from, Date.now());
      drawTyping();
      break;
  }
}

function onState(state) {
  if (state.kind === "open") {
    for (const room of rooms.values()) join(room);
  } else {
    for (const room of rooms.values()) room.joined = false;
  }
  drawState();
}

// ---- drawing ----

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** A room or a person as a round mark with a letter. */
function drawAvatar(node, person) {
  node.textContent = [...person.nick][0].toUpperCase();
  node.style.setProperty("--hue", String(Number.parseInt(person.user.slice(0, 6), 16) % 360));
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

function show(room) {
  if (current) current.draft = $("text").value;
  current = room;
  room.unread = 0;
  remember(browser, "room", room.name);
  if (roomOfAddress() !== room.name) location.hash = encodeURIComponent(room.name);
  $("door").hidden = true;
  $("house").hidden = false;
  $("text").value = room.draft;
  growText();
  drawLog();
  drawPending();
  drawRoom();
  drawRooms();
  drawState();
  closeSide();
  focusRoom();
}

/** On a screen keyboard's device the keyboard would cover what one came to read. */
function focusRoom() {
  (matchMedia("(pointer: coarse)").matches ? $("title") : $("text")).focus();
}

function drawRoom() {
  $("title").textContent = `#${current.name}`;
  $("log").setAttribute("aria-label", `Messages in ${current.name}`);
  $("text").placeholder = `Message #${current.name}`;
  drawPeople();
  drawTyping();
}

function drawRooms() {
  const links = [...rooms.values()].map((room) => {
    const item = element("li");
    const anchor = element("a", "room", `#${room.name}`);
    anchor.href = `#${encodeURIComponent(room.name)}`;
    if (room === current) anchor.setAttribute("aria-current", "page");
    if (room.unread) {
      anchor.append(element("span", "badge", String(room.unread)), element("span", "unseen", " unread"));
    }
    item.append(anchor);
    return item;
  });
  $("rooms").replaceChildren(...links);
  const others = [...rooms.values()].some((room) => room !== current && room.unread);
  $("menu-dot").hidden = !others;
  $("menu").setAttribute("aria-label", others ? "Rooms and people, unread messages" : "Rooms and people");
  const unread = [...rooms.values()].reduce((sum, room) => sum + room.unread, 0);
  document.title = `${unread ? `(${unread}) ` : ""}${current ? `#${current.name} – ` : ""}Chat`;
}

function drawPeople() {
  const { people, count, named, me } = current;
  $("subtitle").textContent = count === 0 ? "Joining…" : count === 1 ? "Only you" : `${count} people`;
  $("people-count").textContent = count || "";
  const items = [...people.values()]
    .sort((a, b) => a.nick.localeCompare(b.nick, undefined, { sensitivity: "base" }))
    .map((person) => {
      const item = element("li", "person");
      const avatar = element("span", "avatar");
      avatar.setAttribute("aria-hidden", "true");
      drawAvatar(avatar, person);
      item.append(avatar, element("span", "person-nick", person.nick));
      if (person.user === me?.user) item.append(element("span", "muted", "you"));
      return item;
    });
  if (!named && current.joined) items.push(element("li", "muted", "A crowd: too many to list."));
  $("people").replaceChildren(...items);
  const self = me ?? { user: "0", nick };
  drawAvatar($("self-avatar"), self);
  $("self-nick").textContent = self.nick;
}

/** Draws the whole log, which screen readers do not read out: it is not news. */
function drawLog() {
  const log = $("log");
  log.setAttribute("aria-live", "off");
  log.replaceChildren();
  nodes = new WeakMap();
  if (current.joined && current.log.length === 0) log.append(element("p", "empty", "No messages yet. Say hello!"));
  current.log.forEach(appendEntry);
  toEnd();
  setTimeout(() => log.setAttribute("aria-live", "polite"), 500);
}

/** The nodes of drawn presence entries, which may still change. */
let nodes = new WeakMap();

/** Draws one entry at the end, or again where it stands. */
function drawEntry(entry) {
  $("log").querySelector(".empty")?.remove();
  appendEntry(entry);
  if (follows) toEnd();
  else if (entry.kind === "message") offerEnd();
}

function appendEntry(entry) {
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
    appendMessage(log, entry.message);
  }
}

function appendMessage(log, { from, ts, text }) {
  const day = new Date(ts).toDateString();
  let group = log.lastElementChild;
  if (group?.hidden) group = group.previousElementSibling;
  const sameDay = log.dataset.day === day && log.childElementCount > 0;
  if (!sameDay) {
    log.append(element("p", "day", calendar.format(ts)));
    log.dataset.day = day;
  }
  const joins =
    sameDay && group?.dataset.user === from.user && group.dataset.nick === from.nick && ts - group.dataset.ts < GROUP_MS;
  if (!joins) {
    group = element("article", from.user === current.me?.user ? "group own" : "group");
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

function drawPending() {
  if (!current) return;
  const items = current.pending.map((draft) => {
    const item = element("li", draft.state === "failed" ? "draft failed" : "draft");
    item.append(element("p", "text", draft.text));
    const mark = element("p", "draft-mark");
    if (draft.state === "failed") {
      mark.append(`Not sent: ${draft.reason}. `, button("Try again", () => retry(draft)), " ", button("Discard", () => discard(draft)));
    } else {
      mark.textContent = current.joined ? "Sending…" : "Waiting for the connection";
    }
    item.append(mark);
    return item;
  });
  $("pending").replaceChildren(...items);
  if (follows) toEnd();
}

function retry(draft) {
  draft.state = "waiting";
  drawPending();
  pump(current);
}

function discard(draft) {
  current.accepted(draft.cid);
  keepRooms();
  drawPending();
  $("text").focus();
}

function button(text, act) {
  const node = element("button", "quiet", text);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

function drawTyping() {
  const names = current ? current.writers(Date.now()) : [];
  $("typing").textContent = names.length ? `${list(names)} ${names.length === 1 ? "is" : "are"} writing…` : "";
}
setInterval(drawTyping, 1_000);

// ---- connection state ----

const STATES = {
  connecting: "Connecting…",
  open: "Connected",
  waiting: "Reconnecting…",
  ended: "Disconnected",
  closed: "",
};

function drawState() {
  const { kind } = link.state;
  const state = $("state");
  if (state.dataset.kind !== kind) {
    state.dataset.kind = kind;
    state.textContent = STATES[kind];
  }
  if (current) {
    drawPending();
    drawPeople();
  }
  drawBanner();
}

let bannerAlert = "";

function alertBanner(text) {
  bannerAlert = text;
  drawBanner();
}

function drawBanner() {
  const { state } = link;
  const show = (text, label, act) => {
    if ($("banner-text").textContent !== text) $("banner-text").textContent = text;
    $("banner-action").textContent = label;
    $("banner-action").onclick = act;
    $("banner").hidden = false;
  };
  if (state.kind === "ended") show(`The server ended the connection: ${state.reason}.`, "Connect again", () => link.open());
  else if (bannerAlert) show(bannerAlert, "Dismiss", () => alertBanner(""));
  else if (state.kind === "waiting" && state.until - Date.now() > 1_500) {
    show("Connection lost. What you write is kept and sent later.", "Try now", () => link.hurry());
  } else if (state.kind !== "connecting" || $("banner").hidden) $("banner").hidden = true;
}

// ---- the reader's place ----

/** Whether the reader is at the end and wants to stay there, whatever grows or shrinks. */
let follows = true;

function toEnd() {
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
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !current) return;
  current.unread = 0;
  drawRooms();
});

// ---- writing ----

function growText() {
  const text = $("text");
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
  const left = TEXT_BYTES - byteLength(tidy(text.value));
  $("text-room").textContent = left < TEXT_BYTES - TELL_LEFT_FROM ? (left < 0 ? `${-left} bytes too long` : `${left} bytes left`) : "";
  text.setAttribute("aria-invalid", String(left < 0));
}

$("text").addEventListener("input", () => {
  growText();
  const now = Date.now();
  if (current?.joined && $("text").value && now - typingToldAt > TYPING_EVERY_MS) {
    typingToldAt = now;
    link.push({ t: "typing", room: current.name });
  }
});

$("text").addEventListener("keydown", (event) => {
  // While an input method composes, Enter belongs to it.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("compose").requestSubmit();
  }
});

$("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = tidy($("text").value);
  $("text").focus();
  if (!text.trim() || byteLength(text) > TEXT_BYTES) return;
  $("text").value = "";
  typingToldAt = 0;
  growText();
  say(text);
});

$("skip").addEventListener("click", () => $("text").focus());

// ---- rooms and people ----

const narrow = matchMedia("(max-width: 760px)");

function openSide() {
  $("house").classList.add("side-open");
  $("shade").hidden = false;
  $("side").inert = false;
  $("main").inert = true;
  $("menu").setAttribute("aria-expanded", "true");
  $("side-close").focus();
}

function closeSide() {
  const wasOpen = $("house").classList.contains("side-open");
  $("house").classList.remove("side-open");
  $("shade").hidden = true;
  $("side").inert = narrow.matches;
  $("main").inert = false;
  $("menu").setAttribute("aria-expanded", "false");
  if (wasOpen) $("menu").focus();
}

narrow.addEventListener("change", closeSide);
$("menu").addEventListener("click", openSide);
$("side-close").addEventListener("click", closeSide);
$("shade").addEventListener("click", closeSide);
$("side").addEventListener("keydown", (event) => event.key === "Escape" && narrow.matches && closeSide());
$("rooms").addEventListener("click", (event) => {
  if (event.target.closest("[aria-current]")) {
    event.preventDefault();
    closeSide();
  }
});
$("leave").addEventListener("click", () => current && leave(current));
$("rename").addEventListener("click", () => toDoor(""));
$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = roomNamed($("enter-room").value);
  $("enter-room").value = "";
  if (name) enterRoom(name);
});
addEventListener("hashchange", () => {
  const name = roomNamed(roomOfAddress());
  if (!name || name === current?.name) return;
  if ($("house").hidden) $("door-room").value = name;
  else enterRoom(name);
});

function roomNamed(text) {
  return text.trim().replace(/\s+/g, " ").replace(/^#/, "");
}

// ---- the door ----

function toDoor(problem) {
  const room = roomNamed(roomOfAddress()) || remembered(browser, "room", "");
  link.close();
  rooms.clear();
  current = null;
  bannerAlert = "";
  remember(tab, "rooms", []);
  document.title = "Chat";
  $("house").hidden = true;
  $("door").hidden = false;
  $("door-problem").textContent = problem ? `${problem[0].toUpperCase()}${problem.slice(1)}.` : "";
  $("door-nick").value = remembered(browser, "nick", "");
  $("door-room").value = room;
  ($("door-nick").value ? $("door-room") : $("door-nick")).focus();
}

$("door-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("door-nick").value.trim();
  if (!name) {
    $("door-problem").textContent = "Please pick a nickname.";
    $("door-nick").focus();
    return;
  }
  goIn(name, [roomNamed($("door-room").value) || "lobby"]);
});

function goIn(name, roomNames) {
  nick = name;
  remember(browser, "nick", nick);
  $("door-problem").textContent = "";
  link.open();
  for (const room of roomNames) enterRoom(room);
}

// A reload in the same tab goes back to where it was; everything else starts at the door.
const before = remembered(tab, "rooms", []);
const name = remembered(browser, "nick", "");
if (name && Array.isArray(before) && before.length) {
  const wished = roomNamed(roomOfAddress());
  goIn(name, [...before.filter((room) => room !== wished), wished || before[0]]);
} else {
  toDoor("");
}
