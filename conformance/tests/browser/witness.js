// Sees all that a page of the chat shows, at every change of it. In `wrong` is what must never be seen.
const texts = (selector) =>
  [...document.querySelectorAll(selector)].map((line) =>
    [...line.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join(""));

const witness = { shown: [], said: [], notices: [], wrong: [], talks: true };

/** All that was delivered, in the order of the screen: the log lets its oldest lines go, and nothing else. */
function follow(log) {
  const from = witness.shown.length ? witness.shown.indexOf(log[0]) : 0;
  const known = witness.shown.slice(from);
  if (from < 0 || known.some((text, at) => log[at] !== text)) {
    witness.wrong.push(`${JSON.stringify(witness.shown)} became ${JSON.stringify(log)}`);
  }
  witness.shown.push(...log.slice(known.length));
}

function look() {
  const log = texts("#log .text");
  const pending = texts("#pending .text");
  if (log.length || witness.shown.length) follow(log);
  const places = (text) => [...log, ...pending].filter((other) => other === text).length;
  for (const text of witness.said.slice(-20)) {
    if (places(text) !== 1) witness.wrong.push(`${text} is on the screen ${places(text)} times`);
  }
  const marks = [...document.querySelectorAll("#state, #subtitle, #banner:not([hidden]) p, .draft-mark")];
  for (const { textContent } of marks) {
    if (textContent && !witness.notices.includes(textContent)) witness.notices.push(textContent);
  }
}

new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
look();

// Writes as a person would, and no more than can be kept in mind if nothing is delivered.
setInterval(() => {
  if (!witness.talks || document.querySelectorAll("#pending .draft").length >= 10) return;
  const text = `${arguments[0]} says ${witness.said.length}`;
  witness.said.push(text);
  document.querySelector("#text").value = text;
  document.querySelector("#compose").requestSubmit();
}, 250);

window.witness = witness;
