// What the page knows of a room: its log, who is here, what is not sent yet. No DOM, no network.

/** Entries that a log keeps while its end is read, and while older ones are: those that go come back by scrolling. */
const LOG_ENTRIES = 300;
const LONGEST_LOG = 5_000;

/** How long somebody counts as writing after they said so. */
const TYPING_MS = 4_000;

/** The longest text, in bytes of UTF-8. */
export const TEXT_BYTES = 4096;

/**
 * A room. Its log has entries of three kinds, in the order of the screen: `message` (with `message`), `presence` (with
 * `came` and `left`, maps of user to nickname) and `notice` (with `text`).
 */
export class Room {
  name;
  joined = false;
  joining = false;
  /** Whether its visitor was told that they cannot come in yet. */
  delayed = false;
  me = null;
  epoch = null;
  offset = 0;
  log = [];
  people = new Map();
  count = 0;
  named = true;
  typing = new Map();
  pending = [];
  draft = "";
  slow = 0;
  /** Whether the server is cut off from the room, so that what is said there comes late. */
  late = false;
  /** Whether there are messages before the log's first. */
  more = false;
  /** Whether the reader is away from the end; then nothing is taken from the log. */
  scrolled = false;
  /** The last offset that was read, and the one after which the line "New" stands. */
  read = 0;
  mark = null;

  constructor(name) {
    this.name = name;
  }

  /** What to tell the server on joining again; nothing the first time. */
  get since() {
    return this.epoch === null ? undefined : { e: this.epoch, o: this.offset };
  }

  /** The offset of the log's first message. */
  get first() {
    return this.log.find(({ kind }) => kind === "message")?.message.o;
  }

  /** What the server may not have yet. */
  get unsent() {
    return this.pending.filter(({ state }) => state !== "sent");
  }

  /** How many messages of others were not read. */
  get unread() {
    const isNew = ({ kind, message }) => kind === "message" && message.o > this.read && message.from.user !== this.me?.user;
    return this.log.filter(isNew).length;
  }

  /** Everything was read. */
  readAll() {
    this.read = this.offset;
  }

  /** The line "New" goes to where reading ended, or away. */
  setMark() {
    this.mark = this.unread ? this.read : null;
  }

  /**
   * Takes the reply to a join. Gives the entries that are new, or `null` if the log has to be drawn anew. `wish` is the nickname
   * asked for, `known` what an earlier page has read here.
   */
  welcome(reply, wish, known) {
    const added = [];
    const first = this.epoch === null;
    const again = reply.epoch === this.epoch;
    // Whatever is missing in between comes by scrolling: so there is never a hole on the screen.
    const anew = !first && !reply.recovered && !(again && this.offset + 1 >= (reply.messages[0]?.o ?? 1));
    if (anew) {
      this.log = [];
      this.offset = 0;
      if (!again) this.read = 0;
    }
    if (first) this.read = known?.e === reply.epoch ? known.o : reply.offset;
    this.epoch = reply.epoch;
    this.joined = true;
    this.me = reply.me;
    this.slow = reply.slow_ms;
    this.late = reply.late ?? false;
    const fresh = reply.messages.filter(({ o }) => o > this.offset);
    if (this.log.length === 0) this.more = (reply.messages[0]?.o ?? 1) > 1;
    for (const message of reply.messages) this.#settle(message);
    for (const message of fresh) added.push(...this.say(message));
    if (first && reply.me.nick !== wish) {
      added.push(this.#push({ kind: "notice", text: renamed(wish, reply.me.nick) }));
    }
    if (!first && !again) added.push(this.#push({ kind: "notice", text: "The history of this room has started afresh." }));
    this.offset = reply.offset;
    // What was kept and is not among them comes by scrolling, or went with another history.
    this.pending = this.pending.filter(({ state, o }) => state !== "sent" || (again && o > this.offset));
    if (first) this.setMark();
    this.typing.clear();
    this.presence(reply.presence);
    return anew ? null : added;
  }

  /** Takes older messages, the oldest first. */
  older({ epoch, messages, more }) {
    if (epoch !== this.epoch) return;
    const first = this.first ?? this.offset + 1;
    const entries = messages.filter(({ o }) => o < first).map((message) => ({ kind: "message", message }));
    this.log.unshift(...entries);
    this.more = more && this.log.length < LONGEST_LOG;
  }

  /** Takes a message; gives its entry, or nothing if it is known already. */
  say(message) {
    if (message.o <= this.offset) return [];
    this.offset = message.o;
    this.typing.delete(message.from.user);
    this.#settle(message);
    return [this.#push({ kind: "message", message })];
  }

  /** Takes news of who is here; gives the log's entry about it, new or changed, if there is one. */
  presence({ count, full, join, leave }) {
    this.count = count;
    this.named = Boolean(full || join || leave);
    if (full) this.people = new Map(full.map((person) => [person.user, person]));
    if (!this.named) this.people.clear();
    if (join) return this.#arrived(join);
    if (leave) return this.#departed(leave);
    return null;
  }

  /** Somebody is writing. */
  writes(person, now) {
    if (person.user !== this.me?.user) this.typing.set(person.user, { person, until: now + TYPING_MS });
  }

  /** Who is writing now. */
  writers(now) {
    for (const [user, { until }] of this.typing) if (until <= now) this.typing.delete(user);
    return [...this.typing.values()].map(({ person }) => person.nick);
  }

  /** Adds a line of the page's own. */
  note(text) {
    return this.#push({ kind: "notice", text });
  }

  /** The server knows this message of ours: it is no longer pending. */
  #settle({ from, cid }) {
    if (from.user === this.me?.user) this.accepted(cid);
  }

  /** The server has kept this draft, at this offset. It stays on the screen until its place there is known. */
  sent(draft, offset) {
    if (offset <= this.offset) return this.accepted(draft.cid);
    draft.state = "sent";
    draft.o = offset;
  }

  /** The message with this id is delivered, or given up. */
  accepted(cid) {
    this.pending = this.pending.filter((draft) => draft.cid !== cid);
  }

  #arrived(person) {
    const known = this.people.has(person.user);
    this.people.set(person.user, person);
    // Only their rank is news.
    if (known) return null;
    const entry = this.#presenceEntry();
    if (!entry.left.delete(person.user)) entry.came.set(person.user, person.nick);
    return entry;
  }

  #departed(person) {
    this.people.delete(person.user);
    this.typing.delete(person.user);
    const entry = this.#presenceEntry();
    if (!entry.came.delete(person.user)) entry.left.set(person.user, person.nick);
    return entry;
  }

  /** Comings and goings between two messages share one line, in which a short absence cancels out. */
  #presenceEntry() {
    const last = this.log.at(-1);
    return last?.kind === "presence" ? last : this.#push({ kind: "presence", came: new Map(), left: new Map() });
  }

  #push(entry) {
    this.log.push(entry);
    this.trim();
    return entry;
  }

  /** Lets the oldest entries go; says whether some went. */
  trim() {
    const before = this.log.length;
    const most = this.scrolled ? LONGEST_LOG : LOG_ENTRIES;
    if (before <= most) return false;
    this.log.splice(0, before - most);
    this.more = true;
    return true;
  }
}

/** What somebody is told who is called otherwise than they wished. */
function renamed(wish, nick) {
  if (/ \(\d+\)$/.test(nick)) return `The name ${wish} is taken here, so you are ${nick}.`;
  return `You are here already as ${nick}, in another tab or on another device, so you are called that here, too.`;
}

/** `5 minutes`, for people: the largest unit that fits. */
export function duration(ms) {
  const units = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000], ["second", 1_000]];
  const [name, length] = units.find(([, length]) => ms >= length) ?? units.at(-1);
  const count = Math.max(1, Math.round(ms / length));
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

/** What a moderator's ruling says in the log. */
export function rulingText({ act, user, for_ms, every_ms, by, reason }) {
  const who = user?.nick ?? "somebody";
  const time = for_ms ? ` for ${duration(for_ms)}` : "";
  const what = {
    kick: `${by} sent ${who} out${time}`,
    ban: `${by} banned ${who}${time}`,
    unban: `${by} lets ${who} in again`,
    mute: `${by} muted ${who}${time}`,
    unmute: `${by} lets ${who} speak again`,
    slow: every_ms ? `${by} turned on slow mode: one message in ${duration(every_ms)}` : `${by} turned off slow mode`,
  }[act];
  return reason ? `${what}: ${reason}` : `${what}.`;
}

/** What a text becomes before it is sent: line feeds alone, no control characters, no blank end. */
export function tidy(text) {
  return text
    .replace(/\r\n?/g, "\n")
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "")
    .trimEnd();
}

/** How many bytes of UTF-8 a text has. */
export function byteLength(text) {
  return new TextEncoder().encode(text).length;
}

/** What a presence entry says; empty if all of it has cancelled out. */
export function presenceText({ came, left }) {
  const part = (people, verb) => (people.size ? `${list([...people.values()])} ${verb}` : "");
  return [part(came, "joined"), part(left, "left")].filter(Boolean).join(", ");
}

/** `Ada`, `Ada and Bea`, `Ada, Bea and 3 others`. */
export function list(names) {
  if (names.length <= 1) return names.join("");
  if (names.length <= 3) return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  return `${names.slice(0, 2).join(", ")} and ${names.length - 2} others`;
}
