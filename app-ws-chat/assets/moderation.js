// What a moderator does: about a person, about a room, and how one becomes a moderator.

import { $, element } from "./conversation.js";
import { LinkLost } from "./link.js";
import { remember, remembered, tab } from "./memory.js";
import { duration } from "./rooms.js";

/** The moderators' token, as long as this tab lives. */
export const token = () => remembered(tab, "token", undefined) || undefined;

/** Asks for the token; `become` is called when it has changed. */
export function askForToken(become) {
  $("token").value = token() ?? "";
  $("token-problem").textContent = "";
  open("token-dialog", () => {
    remember(tab, "token", $("token").value.trim());
    become();
  });
}

/** The token was not the moderators'. */
export function forgetToken() {
  remember(tab, "token", "");
}

/** Asks what to do about a person, and does it. */
export function moderate(link, room, person) {
  $("act-title").textContent = `Moderate ${person.nick}`;
  // What was done last, to somebody else, may be more than is meant now.
  $("act-what").selectedIndex = 0;
  $("act-reason").value = "";
  open("act-dialog", () => {
    const [act, time] = $("act-what").value.split(" ");
    const for_ms = time ? Number(time) : undefined;
    const reason = $("act-reason").value.trim() || undefined;
    return order(link, room, { act, user: person.user, for_ms, reason });
  });
}

/** Shows what is in force in a room: its slow mode, its bans and mutes. */
export async function showRules(link, room) {
  const rules = await ask(link, { t: "mod", room: room.name, act: "list" });
  if (rules.t !== "ok") return rules.msg;
  $("rules-title").textContent = `Rules of #${room.name}`;
  choosePace(rules.slow_ms);
  const entries = [
    ...rules.bans.map((entry) => ({ ...entry, lift: "unban", what: entry.why === "kicked" ? "Sent out" : "Banned" })),
    ...rules.mutes.map((entry) => ({ ...entry, lift: "unmute", what: "Muted" })),
  ];
  const items = entries.map((entry) => {
    const item = element("li", "sanction");
    const until = entry.until ? ` until ${new Date(entry.until).toLocaleString()}` : "";
    const reason = entry.reason ? `: ${entry.reason}` : "";
    item.append(element("strong", "", entry.nick ?? entry.user), element("span", "", ` ${entry.what}${until} by ${entry.by}${reason}`));
    const lift = element("button", "quiet", "Lift");
    lift.type = "button";
    lift.setAttribute("aria-label", `Lift for ${entry.nick ?? entry.user}`);
    lift.addEventListener("click", async () => {
      const problem = await order(link, room, { act: entry.lift, user: entry.user });
      if (problem) $("rules-problem").textContent = problem;
      else item.remove();
    });
    item.append(lift);
    return item;
  });
  if (!items.length) items.push(element("li", "muted", "Nobody is banned or muted."));
  $("rules-list").replaceChildren(...items);
  open("rules-dialog", () => {
    const every_ms = Number($("rules-slow").value);
    return every_ms === rules.slow_ms ? "" : order(link, room, { act: "slow", every_ms });
  });
  return "";
}

/** Shows a room's pace among the usual ones. One of another's choice is offered as well, or saving would end it. */
function choosePace(ms) {
  const choice = $("rules-slow");
  choice.querySelector(".own")?.remove();
  if (![...choice.options].some(({ value }) => value === String(ms))) {
    const own = element("option", "own", `One message in ${duration(ms)}`);
    own.value = String(ms);
    choice.append(own);
  }
  choice.value = String(ms);
}

async function order(link, room, fields) {
  const reply = await ask(link, { t: "mod", room: room.name, ...fields });
  return reply.t === "ok" ? "" : reply.msg;
}

async function ask(link, frame) {
  try {
    return await link.request(frame);
  } catch (error) {
    if (!(error instanceof LinkLost)) throw error;
    return { t: "err", msg: "the connection is lost, try again later" };
  }
}

/** Opens a dialog; `carryOut` gives what is wrong, and the dialog stays open then. */
function open(id, carryOut) {
  const dialog = $(id);
  const form = dialog.querySelector("form");
  const problem = dialog.querySelector(".problem");
  problem.textContent = "";
  form.onsubmit = async (event) => {
    event.preventDefault();
    const wrong = await carryOut();
    if (wrong) problem.textContent = `${wrong[0].toUpperCase()}${wrong.slice(1)}.`;
    else dialog.close();
  };
  dialog.querySelector(".cancel").onclick = () => dialog.close();
  dialog.showModal();
}
