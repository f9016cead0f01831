// What the page's address says: where the socket is, and which room is meant.

/** The socket beside the page. */
export function socketAddress() {
  const url = new URL("ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  return url.href;
}

/** The room that the address names, as it is written there; empty if it names none. */
export function roomOfAddress() {
  try {
    const hash = decodeURIComponent(location.hash.slice(1));
    return (hash || new URLSearchParams(location.search).get("room") || "").trim();
  } catch {
    return "";
  }
}

/** What somebody means by a room's name, who may write it with its mark and many blanks. */
export function roomNamed(text) {
  return text.trim().replace(/\s+/g, " ").replace(/^#/, "");
}
