// What the page knows of a room: its log, who is here, what is not sent yet. No DOM, no network.

/** Entries that a log keeps; older ones are forgotten, as on the server. */
const LOG_ENTRIES = 1_000;

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
  me = null;
  epoch = null;
  offset = 0;
  log = [];
  people = new Map();
  count = 0;
  named = true;
  typing = new Map();
  pending = [];
  unread = 0;
  draft = "";

  constructor(name) {
    this.name = name;
  }

  /** What to tell the server on joining again; nothing the first time. */
  get since() {
    return this.epoch === null ? undefined : { e: this.epoch, o: this.offset };
  }

  /** Takes the reply to a join. Gives the entries that are new. */
  welcome(reply, wish) {
    const added = [];
    const known = new Set(this.log.filter((e) => e.kind === "message").map((e) => key(e.message)));
    const first = this.epoch === null;
    const gap = !first && !reply.recovered && this.#missing(reply);
    if (gap) added.push(this.#push({ kind: "notice", text: gap }));
    if (!reply.recovered) this.offset = 0;
    this.epoch = reply.epoch;
    this.joined = true;
    this.me = reply.me;
    for (const message of reply.messages) {
      if (known.has(key(message))) this.#settle(message);
      else added.push(...this.say(message));
    }
    if (first && reply.me.nick !== wish) {
      added.push(this.#push({ kind: "notice", text: `The name ${wish} is taken here, so you are ${reply.me.nick}.` }));
    }
    this.offset = reply.offset;
    this.typing.clear();
    this.presence(reply.presence);
    return added;
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

  /** The message with this id was accepted. */
  accepted(cid) {
    this.pending = this.pending.filter((draft) => draft.cid !== cid);
  }

  #missing(reply) {
    if (reply.epoch !== this.epoch) return "The server has started afresh. Messages may be missing here.";
    const first = reply.messages[0];
    return first && first.o > this.offset + 1 ? "You were away for long. Messages are missing here." : null;
  }

  #arrived(person) {
    this.people.set(person.user, person);
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
    if (this.log.length > LOG_ENTRIES) this.log.shift();
    return entry;
  }
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

/** What tells a message from every other, also across epochs. */
function key({ from, cid }) {
  return `${from.user} ${cid}`;
}
