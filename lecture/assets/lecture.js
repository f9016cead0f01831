// The page: what can be chosen, and the runs of the experiment that is under way or was the last one.

import { Run } from "./timeline.js";

const find = (id) => document.getElementById(id);
const status = find("status");

let offer = null;
let busy = false;
let runs = [];
let frame = 0;

// What is chosen

const server = () => document.querySelector("input[name=server]:checked").value;

function buttonOf(title) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Run it";
  button.setAttribute("aria-label", `Run it: ${title}`);
  return button;
}

function card({ name, title, idea, runs: planned }) {
  const item = document.createElement("li");
  item.className = "card";
  const heading = document.createElement("h3");
  heading.textContent = title;
  const text = document.createElement("p");
  text.textContent = idea;
  const button = buttonOf(title);
  button.dataset.experiment = name;
  button.addEventListener("click", () => begin(planned.map((run) => ({ ...run, server: server() }))));
  item.append(heading, text, button);
  return item;
}

async function begin(planned) {
  if (busy) {
    status.textContent = "An experiment is under way: another one may follow it.";
    return;
  }
  setBusy(true);
  const refused = await fetch("./runs", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ runs: planned }),
  }).then(async (answer) => (answer.ok ? "" : (await answer.text()).trim()), () => "The server does not answer.");
  if (refused) {
    setBusy(false);
    status.textContent = `It was refused: ${refused}`;
  } else if (matchMedia("(max-width: 62rem)").matches) {
    find("seen").focus();
  }
}

function setBusy(is) {
  busy = is;
  for (const button of document.querySelectorAll(".choose button")) button.setAttribute("aria-disabled", String(is));
  const stop = find("stop");
  // Who has stopped it by the keyboard goes on beside it.
  if (!is && document.activeElement === stop) find("seen").focus();
  stop.hidden = !is;
}

async function stop() {
  await fetch("./runs", { method: "DELETE" }).catch(() => { status.textContent = "The server does not answer."; });
}

const fields = ["requests", "milliseconds", "workers"];

function own(event) {
  event.preventDefault();
  const run = { work: find("own-work").value, server: server() };
  const problem = find("own-problem");
  problem.textContent = "";
  for (const name of fields) {
    const field = find(`own-${name}`);
    run[name] = field.valueAsNumber;
    const wrong = !Number.isInteger(run[name]) || run[name] < 1 || run[name] > offer.most[name];
    field.setAttribute("aria-invalid", String(wrong));
    if (wrong && !problem.textContent) {
      problem.textContent = `${name}: a number from 1 to ${offer.most[name]}`;
      field.focus();
    }
  }
  if (!problem.textContent) begin([run]);
}

const codeOf = (name) => offer.works.find((work) => work.name === name).code;

async function prepare() {
  offer = await (await fetch("./experiments")).json();
  document.querySelector(`input[name=server][value=${offer.ground.server}]`).checked = true;
  find("experiments").append(...offer.experiments.map(card));
  const select = find("own-work");
  select.append(...offer.works.map(({ name }) => new Option(name, name)));
  const show = () => { find("own-code").textContent = codeOf(select.value); };
  select.addEventListener("change", show);
  show();
  for (const name of fields) find(`own-${name}`).max = offer.most[name];
  find("own-workers").value = offer.ground.workers;
  find("own").addEventListener("submit", own);
}

// What is seen

const seen = {
  experiment({ runs: planned }) {
    setBusy(true);
    runs = planned.map((plan, number) => new Run(number, plan, codeOf(plan.work)));
    find("runs").replaceChildren(...runs.map(({ root }) => root));
    status.textContent = `Run 1 of ${runs.length} begins.`;
    follow();
  },
  serving({ run, server: description }) {
    runs[run].serving(description);
  },
  row(change) {
    runs[change.run].change(change, performance.now());
    follow();
  },
  stall(stall) {
    runs[stall.run].stall(stall);
  },
  ended({ run, summary }) {
    runs[run].ended(summary);
    status.textContent = `Run ${run + 1} of ${runs.length} is over. ${summary}`;
    follow();
  },
  failed({ run, why }) {
    runs[run]?.failed(why);
    for (const left of runs.slice(run + 1)) left.dropped();
    status.textContent = `Run ${run + 1} came to no end: ${why}`;
  },
  over() {
    setBusy(false);
    follow();
  },
};

/** All runs to one scale, so that they can be compared; again while there is one that grows. */
function draw() {
  frame = 0;
  if (!runs.length) return;
  const now = performance.now();
  // A little more, for what ends last to be seen.
  const total = 1.01 * Math.max(...runs.map((run) => run.extent(now)));
  for (const run of runs) run.draw(total);
  if (runs.some(({ live }) => live)) follow();
}

function follow() {
  frame ||= requestAnimationFrame(draw);
}

function listen() {
  const events = new EventSource("./events");
  events.addEventListener("message", ({ data }) => {
    const event = JSON.parse(data);
    seen[event.event]?.(event);
  });
  events.addEventListener("error", () => {
    // What goes on meanwhile is not known. The browser comes back by itself, unless it was refused.
    for (const run of runs) run.live = false;
    setBusy(false);
    status.textContent = events.readyState === EventSource.CLOSED ? "The server is gone: load the page again." : "The connection was lost; it comes back.";
  });
}

addEventListener("resize", follow);
find("stop").addEventListener("click", stop);
try {
  await prepare();
  listen();
} catch {
  status.textContent = "The server does not answer: load the page again.";
}
