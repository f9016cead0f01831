// What was written and is not delivered yet: sent in its order, said again until the server has it, kept over a reload.

import { LinkLost } from "./link.js";
import { randomHex, remember, remembered, tab } from "./memory.js";

/** Who has to wait longer than this, in milliseconds, is told why. */
export const LONG_WAIT = 1_500;

/** The rooms' drafts. `changed(room)` is called when some of them are to be drawn anew. */
export class Outbox {
  #link;
  #rooms;
  #changed;
  /** Of rooms that are not open now, by name. */
  #left = remembered(tab, "unsent", {});

  constructor(link, rooms, changed) {
    this.#link = link;
    this.#rooms = rooms;
    this.#changed = changed;
  }

  /** A room is opened: it has what was not sent when it was last open. */
  adopt(room) {
    if (Array.isArray(this.#left[room.name])) room.pending = this.#left[room.name].map((draft) => ({ ...draft, state: "waiting" }));
    delete this.#left[room.name];
  }

  /** A room is closed, and what was not sent waits for it to be opened again. */
  store({ name, unsent }) {
    if (unsent.length) this.#left[name] = unsent;
  }

  /** Writes down what a reload must not lose. */
  keep() {
    const waiting = [...this.#rooms.values()].filter(({ unsent }) => unsent.length);
    remember(tab, "unsent", { ...this.#left, ...Object.fromEntries(waiting.map(({ name, unsent }) => [name, unsent])) });
  }

  say(room, text) {
    room.pending.push({ cid: randomHex(12), text, state: "waiting" });
    this.keep();
  }

  /** What was refused is tried again. */
  retry(room, draft) {
    draft.state = "waiting";
    draft.reason = undefined;
    this.#changed(room);
    this.pump(room);
  }

  discard(room, draft) {
    room.accepted(draft.cid);
    this.keep();
    this.#changed(room);
  }

  /** What was held back need not wait any longer. Why it was is said until there is an answer. */
  release(room) {
    for (const draft of room.pending) if (draft.state === "held") draft.state = "waiting";
    this.pump(room);
  }

  /** Sends what is pending, one after the other, so that the order stays. */
  async pump(room) {
    const draft = room.pending.find(({ state }) => state !== "failed" && state !== "sent");
    if (!draft || draft.state !== "waiting" || !room.joined) return;
    draft.state = "sending";
    try {
      const reply = await this.#link.request({ t: "send", room: room.name, cid: draft.cid, text: draft.text });
      if (reply.t === "ok") room.sent(draft, reply.o);
      else if (reply.retry) {
        draft.state = "held";
        draft.reason = reply.after_ms > LONG_WAIT ? reply.msg : undefined;
        this.#changed(room);
        setTimeout(() => this.release(room), reply.after_ms ?? 1_000);
        return;
      } else {
        draft.state = "failed";
        draft.reason = reply.msg;
      }
    } catch (error) {
      if (!(error instanceof LinkLost)) throw error;
      draft.state = "waiting";
      draft.reason = undefined;
      return;
    }
    this.keep();
    this.#changed(room);
    this.pump(room);
  }
}
