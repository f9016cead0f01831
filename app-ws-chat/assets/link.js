// The link to the server: one WebSocket after another, requests and their replies.
//
// Knows chat.v1's frames `ping` and `bye` and its close codes; rooms and messages are rooms.js's affair.

const SUBPROTOCOL = "chat.v1";

/** Back-off between attempts, in milliseconds: doubles from the first to the longest. */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;

/** A link that held this long was a good one: the next attempt starts over with the shortest wait. */
const GOOD_AFTER = 10_000;

/** The server pings every 20 to 30 s; with its 10 s for the answer, longer silence is a dead link. */
const LONGEST_SILENCE = 40_000;

/** Time for the answer to our own ping. */
const ANSWER_WITHIN = 5_000;

/** Our own frames are at fault: the same would happen again. */
const FINAL_CODES = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010]);

/** Thrown by a request whose reply cannot come any more; whether it was carried out is unknown. */
export class LinkLost extends Error {}

/**
 * States, as `{ kind, ... }`: `connecting`; `open`; `waiting` with `until` (a time of `performance.now()`, which no clock
 * that is set disturbs); `ended` with `reason`; `closed` (by us).
 */
export class Link {
  #url;
  #onState;
  #onFrame;
  #socket = null;
  #bye = null;
  #attempt = 0;
  #openedAt = 0;
  #notBefore = 0;
  #retry = 0;
  #silence = 0;
  #lastId = 0;
  #requests = new Map();

  state = { kind: "closed" };

  constructor(url, { onState, onFrame }) {
    this.#url = url;
    this.#onState = onState;
    this.#onFrame = onFrame;
    addEventListener("online", () => this.#wake());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#wake();
    });
  }

  /** Connects now, unless it is connected or connecting. */
  open() {
    if (this.#socket) return;
    clearTimeout(this.#retry);
    this.#bye = null;
    const socket = new WebSocket(this.#url, SUBPROTOCOL);
    this.#socket = socket;
    socket.onopen = () => {
      this.#openedAt = performance.now();
      this.#listen();
      this.#become({ kind: "open" });
    };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#lost(event.code, event.reason);
    this.#become({ kind: "connecting" });
  }

  /** Does not wait any longer, but for what the server asked for. */
  hurry() {
    if (this.state.kind !== "waiting" || performance.now() < this.#notBefore) return;
    this.open();
  }

  /** The device has slept, or has another network: the link may be dead without a sign of it. */
  #wake() {
    this.hurry();
    if (this.state.kind !== "open") return;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(1006, ""), ANSWER_WITHIN);
    this.request({ t: "ping" }).catch(() => {});
  }

  /** Disconnects for good. */
  close() {
    this.#drop();
    this.#attempt = 0;
    this.#become({ kind: "closed" });
  }

  /** Sends a request; gives its reply, `ok` or `err`. */
  request(frame) {
    if (this.state.kind !== "open") return Promise.reject(new LinkLost());
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#requests.set(id, { resolve, reject });
      this.#send({ id, ...frame });
    });
  }

  /** Sends a frame that has no reply; without a link it is lost. */
  push(frame) {
    if (this.state.kind === "open") this.#send(frame);
  }

  #send(frame) {
    // Half a surrogate pair, which a string may hold, is nothing that the server could read.
    const whole = (_, value) => (typeof value === "string" ? value.toWellFormed?.() ?? value : value);
    this.#socket.send(JSON.stringify(frame, whole));
  }

  #receive(text) {
    this.#listen();
    const frame = JSON.parse(text);
    switch (frame.t) {
      case "ping":
        this.push({ t: "pong" });
        break;
      case "bye":
        this.#bye = frame;
        break;
      case "ok":
      case "err": {
        const request = this.#requests.get(frame.id);
        this.#requests.delete(frame.id);
        if (request) request.resolve(frame);
        else this.#onFrame(frame);
        break;
      }
      default:
        this.#onFrame(frame);
    }
  }

  /** Starts to wait for the next sign of life. */
  #listen() {
    clearTimeout(this.#silence);
    // A dead link never completes a closing handshake, so it is not waited for.
    this.#silence = setTimeout(() => this.#lost(1006, ""), LONGEST_SILENCE);
  }

  #lost(code, reason) {
    const bye = this.#bye;
    const wasGood = this.#openedAt && performance.now() - this.#openedAt > GOOD_AFTER;
    this.#drop();
    const final = bye ? !bye.reconnect : FINAL_CODES.has(code) || (code >= 4500 && code <= 4999);
    if (final) {
      this.#become({ kind: "ended", reason: bye?.msg || reason || `code ${code}` });
      return;
    }
    if (wasGood) this.#attempt = 0;
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#attempt++);
    const wait = longest * (0.5 + Math.random() / 2);
    const asked = bye?.after_ms ?? 0;
    const now = performance.now();
    this.#notBefore = now + asked;
    const until = now + Math.max(wait, asked);
    this.#retry = setTimeout(() => this.open(), until - now);
    this.#become({ kind: "waiting", until });
  }

  #drop() {
    clearTimeout(this.#retry);
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = null;
    this.#openedAt = 0;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const { reject } of requests) reject(new LinkLost());
  }

  #become(state) {
    this.state = state;
    this.#onState(state);
  }
}
