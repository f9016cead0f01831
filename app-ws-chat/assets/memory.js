// What the browser remembers: for all tabs (nickname, room, our secret), and for this one (rooms, unsent messages).

/** What was remembered under this name; `otherwise` if nothing was. */
export function remembered(store, name, otherwise) {
  try {
    return JSON.parse(store().getItem(`chat.${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** Remembers a value, if the browser allows it. */
export function remember(store, name, value) {
  try {
    store().setItem(`chat.${name}`, JSON.stringify(value));
  } catch {
    // Storage may be forbidden or full: then nothing outlives the page.
  }
}

// Functions, because even reading the property throws where storage is forbidden.
export const browser = () => localStorage;
export const tab = () => sessionStorage;

/** Our secret: the same in every tab, so that all of them are one person. */
export function userKey() {
  let key = remembered(browser, "key", null);
  if (!key) {
    key = randomHex(16);
    remember(browser, "key", key);
  }
  return key;
}

/** So many random bytes, as text. */
export function randomHex(bytes) {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
