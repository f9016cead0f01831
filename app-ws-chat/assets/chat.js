// The page: what its visitor does, what the server says, and what is shown of it.

import { roomNamed, roomOfAddress, socketAddress } from "./address.js";
import { listenToWriter, write, written } from "./compose.js";
import { $, drawDrafts, drawEntry, drawLog, drawOlder, isAtEnd, listenToReader, toEnd } from "./conversation.js";
import { Link, LinkLost } from "./link.js";
import { browser, remember, remembered, tab, userKey } from "./memory.js";
import { askForToken, forgetToken, moderate, showRules, token } from "./moderation.js";
import { LONG_WAIT, Outbox } from "./outbox.js";
import { Room, duration, list, rulingText } from "./rooms.js";
import { closeSide, drawPeople, drawRooms } from "./side.js";
import { alertBanner, drawState } from "./state.js";

const secret = userKey();
const rooms = new Map();
let nick = "";
let current = null;

const link = new Link(socketAddress(), { onState, onFrame });

const outbox = new Outbox(link, rooms, (room) => room === current && drawPending());

function keepRooms() {
  remember(tab, "rooms", [...rooms.keys()]);
  outbox.keep();
}

function enterRoom(name) {
  let room = rooms.get(name);
  if (!room) {
    room = new Room(name);
    outbox.adopt(room);
    rooms.set(name, room);
    keepRooms();
    join(room);
  }
  show(room);
}

async function join(room) {
  if (room.joined || room.joining || link.state.kind !== "open" || rooms.get(room.name) !== room) return;
  room.joining = true;
  try {
    const reply = await link.request({ t: "join", room: room.name, nick, key: secret, since: room.since, token: token() });
    if (reply.t === "ok") welcomed(room, reply);
    else if (reply.why === "token") {
      forgetToken();
      alertBanner(link, "That is not the moderators' token.");
      later(1_000, () => join(room));
    } else if (reply.why === "already-here") {
      // In without having been welcomed, by a request that was given up: the way in is by the way out.
      await link.request({ t: "leave", room: room.name });
      later(1_000, () => join(room));
    } else if (reply.why === "kicked" || reply.why === "banned") turnedAway(room, out(reply));
    else if (reply.retry) {
      if (reply.after_ms > LONG_WAIT) delayed(room, reply.msg);
      later(reply.after_ms, () => join(room));
    } else turnedAway(room, reply.msg);
  } catch (error) {
    if (!(error instanceof LinkLost)) throw error;
  } finally {
    room.joining = false;
  }
}

/** Tells somebody who has to wait before a room what they wait for. */
function delayed(room, why) {
  room.delayed = true;
  alertBanner(link, `You cannot come into #${room.name} yet: ${why}. It is tried again.`);
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
  const added = room.welcome(reply, nick, remembered(browser, "read", {})[room.name]);
  if (reply.me.mod || room.delayed) alertBanner(link, "");
  room.delayed = false;
  if (room === current) {
    if (first || added === null) drawLog(current);
    else for (const entry of added) drawEntry(entry, room);
    location.replace(`#${encodeURIComponent(room.name)}`);
    drawRoom();
    readOn();
  }
  showState();
  showRooms();
  outbox.pump(room);
}

/** What somebody is told who is out of a room, or was not let in. */
function out({ why, msg, retry, after_ms, t }) {
  const until = retry ? `; you can come back in ${duration(after_ms)}` : "";
  const reason = t === "out" && msg ? `: ${msg}` : "";
  return `you have been ${why === "kicked" ? "sent out" : "banned"}${until}${reason}`;
}

function turnedAway(room, why) {
  outbox.store(room);
  forget(room);
  if (rooms.size) alertBanner(link, `#${room.name}: ${why}`);
  else toDoor(why);
}

function leave(room) {
  if (room.joined) link.request({ t: "leave", room: room.name }).catch(() => {});
  forget(room);
  if (rooms.size === 0) toDoor("");
}

function forget(room) {
  if (room.delayed) alertBanner(link, "");
  rooms.delete(room.name);
  keepRooms();
  if (room === current) {
    current = null;
    const next = rooms.values().next().value;
    if (next) show(next);
  }
  showRooms();
}

function say(text) {
  outbox.say(current, text);
  if (current.mark !== null) {
    current.mark = null;
    drawLog(current);
  }
  drawPending();
  toEnd();
  outbox.pump(current);
}

function later(ms, task) {
  setTimeout(task, ms ?? 1_000);
}

/** Whether the end of the current room is before somebody's eyes: then it counts as read. */
function readOn() {
  if (!current?.joined || document.hidden || !isAtEnd() || current.read >= current.offset) return;
  current.readAll();
  remember(browser, "read", { ...remembered(browser, "read", {}), [current.name]: { e: current.epoch, o: current.read } });
  showRooms();
}

// Another tab has read on.
addEventListener("storage", ({ key }) => {
  if (key !== "chat.read") return;
  const read = remembered(browser, "read", {});
  for (const room of rooms.values()) {
    const { e, o } = read[room.name] ?? {};
    if (e === room.epoch) room.read = Math.max(room.read, o);
  }
  showRooms();
});

listenToReader({
  atEnd(is) {
    if (!current) return;
    current.scrolled = !is;
    if (is && current.trim()) drawLog(current);
    readOn();
  },
  wantsOlder: () => older(current),
});

/** Asks for the messages before the first one. */
async function older(room) {
  if (!room?.joined || !room.more || room.asking) return;
  room.asking = true;
  try {
    const page = await link.request({ t: "history", room: room.name, before: room.first });
    if (page.t === "ok") {
      room.older(page);
      if (room === current) drawOlder(room);
    } else if (page.retry) later(page.after_ms, () => older(room));
  } catch (error) {
    if (!(error instanceof LinkLost)) throw error;
  } finally {
    room.asking = false;
  }
}

function onFrame(frame) {
  const room = rooms.get(frame.room);
  if (!room?.joined) return;
  switch (frame.t) {
    case "msg": {
      const added = room.say(frame);
      if (room === current) {
        drawPending();
        for (const entry of added) drawEntry(entry, room);
        drawTyping();
        readOn();
      }
      if (frame.from.user === room.me.user) keepRooms();
      showRooms();
      break;
    }
    case "presence": {
      const entry = room.presence(frame);
      if (room === current) {
        if (entry) drawEntry(entry, room);
        showPeople();
      }
      break;
    }
    case "mod": {
      if (frame.act === "slow") room.slow = frame.every_ms;
      if (frame.act === "slow" || frame.act === "unmute") outbox.release(room);
      const entry = room.note(rulingText(frame));
      if (room === current) {
        drawEntry(entry, room);
        drawRoom();
      }
      break;
    }
    case "late":
      room.late = frame.late;
      showState();
      break;
    case "out":
      turnedAway(room, out(frame));
      break;
    case "typing":
      room.writes(frame.from, performance.now());
      drawTyping();
      break;
  }
}

function onState(state) {
  if (state.kind === "open") {
    for (const room of rooms.values()) join(room);
  } else {
    for (const room of rooms.values()) {
      room.joined = false;
      room.late = false;
      room.typing.clear();
    }
  }
  showState();
}

function show(room) {
  if (current) current.draft = written();
  current = room;
  room.setMark();
  remember(browser, "room", room.name);
  if (roomOfAddress() !== room.name) location.hash = encodeURIComponent(room.name);
  $("door").hidden = true;
  $("house").hidden = false;
  write(room.draft);
  drawLog(current);
  drawPending();
  drawRoom();
  readOn();
  showRooms();
  showState();
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
  $("slow").textContent = current.slow ? `Slow mode: one message in ${duration(current.slow)}.` : "";
  $("rules").hidden = !current.me?.mod;
  showPeople();
  drawTyping();
}

const showRooms = () => drawRooms(rooms, current);

const showPeople = () => drawPeople(current, nick, (person) => moderate(link, current, person));

function drawPending() {
  if (!current) return;
  drawDrafts(current, {
    retry: (draft) => outbox.retry(current, draft),
    discard(draft) {
      outbox.discard(current, draft);
      $("text").focus();
    },
  });
}

function drawTyping() {
  const names = current ? current.writers(performance.now()) : [];
  $("typing").textContent = names.length ? `${list(names)} ${names.length === 1 ? "is" : "are"} writing…` : "";
}
setInterval(drawTyping, 1_000);

function showState() {
  drawState(link, current?.late);
  if (!current) return;
  drawPending();
  showPeople();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !current) return;
  if (current.unread) {
    current.setMark();
    drawLog(current);
  }
  readOn();
});

listenToWriter({
  say,
  writes() {
    if (current?.joined) link.push({ t: "typing", room: current.name });
  },
});

$("skip").addEventListener("click", () => $("text").focus());

$("leave").addEventListener("click", () => current && leave(current));
$("rename").addEventListener("click", () => toDoor(""));
$("moderate").addEventListener("click", () => askForToken(joinAgain));
$("rules").addEventListener("click", async () => {
  const problem = await showRules(link, current);
  if (problem) alertBanner(link, problem);
});

/** Comes in anew, under another rank. */
function joinAgain() {
  for (const room of rooms.values()) {
    if (!room.joined) continue;
    room.joined = false;
    link.request({ t: "leave", room: room.name }).then(() => join(room), () => {});
  }
}

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

function toDoor(problem) {
  const room = roomNamed(roomOfAddress()) || remembered(browser, "room", "");
  link.close();
  for (const room of rooms.values()) outbox.store(room);
  rooms.clear();
  keepRooms();
  current = null;
  alertBanner(link, "");
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
  const name = $("door-nick").value.trim().replace(/\s+/g, " ");
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
