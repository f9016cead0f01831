// What stands beside the conversation: rooms, people, and on small screens the drawer that holds them.

import { $, drawAvatar, element } from "./conversation.js";

/** Draws the rooms, and what the window's title says of them. */
export function drawRooms(rooms, current) {
  const links = [...rooms.values()].map((room) => {
    const item = element("li");
    const anchor = element("a", "room", `#${room.name}`);
    anchor.href = `#${encodeURIComponent(room.name)}`;
    if (room === current) anchor.setAttribute("aria-current", "page");
    const { unread } = room;
    if (unread) anchor.append(element("span", "badge", unread > 99 ? "99+" : String(unread)), element("span", "unseen", " unread"));
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

/** Draws who is here; a moderator can do something about each, by `moderate`. */
export function drawPeople({ people, count, named, joined, me }, nick, moderate) {
  $("subtitle").textContent = count === 0 ? "Joining…" : count === 1 ? "Only you" : `${count} people`;
  $("people-count").textContent = count || "";
  const items = [...people.values()]
    .sort((a, b) => a.nick.localeCompare(b.nick, undefined, { sensitivity: "base" }))
    .map((person) => drawPerson(person, me, moderate));
  if (!named && joined) items.push(element("li", "muted", "A crowd: too many to list."));
  $("people").replaceChildren(...items);
  const self = me ?? { user: "0", nick };
  drawAvatar($("self-avatar"), self);
  $("self-nick").textContent = self.nick;
}

function drawPerson(person, me, moderate) {
  const item = element("li", "person");
  const avatar = element("span", "avatar");
  avatar.setAttribute("aria-hidden", "true");
  drawAvatar(avatar, person);
  item.append(avatar, element("span", "person-nick", person.nick));
  if (person.mod) item.append(element("span", "rank", "moderator"));
  if (person.user === me?.user) item.append(element("span", "muted", "you"));
  else if (me?.mod && !person.mod) {
    const button = element("button", "quiet person-act", "Moderate");
    button.type = "button";
    button.setAttribute("aria-label", `Moderate ${person.nick}`);
    button.addEventListener("click", () => moderate(person));
    item.append(button);
  }
  return item;
}

const narrow = matchMedia("(max-width: 760px)");

function openSide() {
  $("house").classList.add("side-open");
  $("shade").hidden = false;
  $("side").inert = false;
  $("main").inert = true;
  $("menu").setAttribute("aria-expanded", "true");
  $("side-close").focus();
}

export function closeSide() {
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
