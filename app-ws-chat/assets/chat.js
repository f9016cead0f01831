// The page: what its visitor does, what the server says, and what is shown of it.

import { $, drawAvatar, drawDrafts, drawEntry, drawLog, element, toEnd } from "./conversation.js";
import { Link, LinkLost } from "./link.js";
import { browser, randomHex, remember, remembered, tab, userKey } from "./memory.js";
import { Room, TEXT_BYTES, byteLength, list, tidy } from "./rooms.js";

/** How often the server is told that we are writing. */
const TYPING_EVERY_MS = 2_500;

/** From this many bytes on the writer sees how many are left. */
const TELL_LEFT_FROM = TEXT_BYTES - 500;

const secret = userKey();
const rooms = new Map();
let nick = "";
let current = null;
let typingToldAt = 0;

const link = new Link(address(), { onState, onFrame });

/** Messages that were not sent when their room was last open, by room. */
const unsent = remembered(tab, "unsent", {});

function keepRooms() {
  remember(tab, "rooms", [...rooms.keys()]);
  const pending = [...rooms.values()].filter((room) => room.pending.length);
  remember(tab, "unsent", { ...unsent, ...Object.fromEntries(pending.map((room) => [room.name, room.pending])) });
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

function enterRoom(name) {
  let room = rooms.get(name);
  if (!room) {
    room = new Room(name);
    if (Array.isArray(unsent[name])) room.pending = unsent[name].map((draft) => ({ ...draft, state: "waiting" }));
    delete unsent[name];
    rooms.set(name, room);
    keepRooms();
    join(room);
  }
  show(room);
}

async function join(room) {
  if (room.joining || link.state.kind !== "open" || rooms.get(room.name) !== room) return;
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
    if (first) drawLog(current);
    else for (const entry of added) drawEntry(entry, room.me);
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
  current.pending.push({ cid: randomHex(12), text, state: "waiting" });
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

function onFrame(frame) {
  const room = rooms.get(frame.room);
  if (!room?.joined) return;
  switch (frame.t) {
    case "msg": {
      const added = room.say(frame);
      countUnread(room, added);
      if (room === current) {
        drawPending();
        for (const entry of added) drawEntry(entry, room.me);
        drawTyping();
      }
      if (frame.from.user === room.me.user) keepRooms();
      drawRooms();
      break;
    }
    case "presence": {
      const entry = room.presence(frame);
      if (room === current) {
        if (entry) drawEntry(entry, room.me);
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
  drawLog(current);
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

function drawPending() {
  if (current) drawDrafts(current, { retry, discard });
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

function drawTyping() {
  const names = current ? current.writers(Date.now()) : [];
  $("typing").textContent = names.length ? `${list(names)} ${names.length === 1 ? "is" : "are"} writing…` : "";
}
setInterval(drawTyping, 1_000);

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

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !current) return;
  current.unread = 0;
  drawRooms();
});

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

function toDoor(problem) {
  const room = roomNamed(roomOfAddress()) || remembered(browser, "room", "");
  link.close();
  for (const { name, pending } of rooms.values()) if (pending.length) unsent[name] = pending;
  rooms.clear();
  keepRooms();
  current = null;
  bannerAlert = "";
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
