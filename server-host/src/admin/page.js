// Looks at /live each second, and shows what has changed since. Nothing is kept but the last five minutes, in this page.

const KEPT = 300; // looks that the charts show
const WINDOW = 10; // looks over which percentiles and shares are taken
const history = [];

const at = id => document.getElementById(id);
const say = (id, text) => { if (at(id).textContent !== text) at(id).textContent = text; };

/** 0.00123 s is "1.23 ms": three digits, with the unit that fits. */
function duration(seconds) {
  if (seconds == null || Number.isNaN(seconds)) return "–";
  if (seconds < 0.001) return `${digits(seconds * 1e6)} µs`;
  if (seconds < 1) return `${digits(seconds * 1e3)} ms`;
  if (seconds < 120) return `${digits(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

function digits(number) {
  if (number >= 100) return Math.round(number).toLocaleString("en");
  return number >= 10 ? number.toFixed(1) : number.toFixed(number ? 2 : 0);
}

function bytes(count) {
  if (count == null) return "–";
  for (const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) {
    if (count >= size) return `${digits(count / size)} ${unit}`;
  }
  return `${count} B`;
}

const sum = (list, of) => list.reduce((total, one) => total + of(one), 0);
const whole = number => Math.round(number).toLocaleString("en");

/** How often something happened in each second between two looks. */
const rate = (after, before, of) => before ? Math.max(0, of(after) - of(before)) / (after.now - before.now) : 0;

/** Below which time the given part of the exchanges between two looks stayed; buckets are [bound in microseconds, count]. */
function percentile(after, before, part) {
  const earlier = new Map(before ? before.durations : []);
  const buckets = after.durations.map(([bound, count]) => [bound, count - (earlier.get(bound) ?? 0)]);
  const all = sum(buckets, ([, count]) => count);
  if (all <= 0) return null;
  let left = all * part;
  for (const [bound, count] of buckets) {
    if (left <= count) {
      const below = bound <= 16 ? 0 : bound * 0.8; // a bucket begins a fifth below its end, about
      return (below + (bound - below) * (count ? left / count : 1)) / 1e6;
    }
    left -= count;
  }
  return null;
}

const total = look => sum(look.workers, worker => worker.total);
const connections = look => sum(look.workers, worker => worker.connections);
const answers = (look, from, to) => sum(look.statuses, ([group, count]) => group >= from && group <= to ? count : 0);
const outcome = (look, name) => (look.outcomes.find(([kind]) => kind === name) ?? [0, 0])[1];
const failures = look => look.failures; // one that panicked and was answered by 500 is one

/** Draws series over the last five minutes into an SVG; a series is [class, numbers]. */
function draw(id, series) {
  const svg = at(id);
  // A minute at the least, so that the first looks are no wall.
  const [width, height] = [Math.max(60, history.length), 60];
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const most = Math.max(1e-9, ...series.flatMap(([, numbers]) => numbers.filter(n => n != null)));
  const make = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const parts = [make("line", { x1: 0, x2: width, y1: height, y2: height })];
  for (const [kind, numbers] of series) {
    const from = width - numbers.length;
    let path = "";
    let first = null;
    let last = null;
    numbers.forEach((number, i) => {
      if (number == null) return;
      const x = from + i + 1;
      path += `${path ? "L" : "M"}${x} ${(height - 2 - (number / most) * (height - 6)).toFixed(1)}`;
      first ??= x;
      last = x;
    });
    if (!path) continue;
    if (kind === "") parts.push(make("path", { class: "area", d: `${path}L${last} ${height}L${first} ${height}Z` }));
    parts.push(make("path", { class: kind, d: path }));
  }
  svg.replaceChildren(...parts);
}

/** Puts rows into a table: a cell is a text, or an element. */
function fill(id, rows) {
  at(id).hidden = rows.length === 0;
  at(id).tBodies[0].replaceChildren(...rows.map(cells => {
    const row = document.createElement("tr");
    for (const [kind, content, mark] of cells) {
      const cell = row.insertCell();
      cell.className = [kind, mark].filter(Boolean).join(" ");
      cell.append(content);
      if (kind === "") cell.title = typeof content === "string" ? content : "";
    }
    return row;
  }));
}

function share(part) {
  const meter = document.createElement("meter");
  meter.value = part;
  meter.title = `${Math.round(part * 100)} %`;
  return meter;
}

function show(look) {
  const before = history.at(-2);
  const earlier = history.at(-1 - Math.min(WINDOW, history.length - 1));
  const window = earlier === look ? null : earlier;

  say("phase", look.phase);
  at("phase").className = `badge ${look.phase}`;
  say("server", look.server);
  document.title = `${look.phase}: ${look.server}`;
  say("about", `version ${look.version} · process ${look.pid} · up ${duration(look.now - look.started)}`);
  notice(look);

  say("rate", digits(rate(look, before, total)));
  say("rate-more", `${whole(total(look))} in all`);
  for (const [id, part] of [["p50", 0.5], ["p95", 0.95], ["p99", 0.99]]) say(id, duration(percentile(look, window, part)));
  say("connections", whole(connections(look)));
  const [atWork, sockets] = [sum(look.workers, one => one.exchanges), sum(look.workers, one => one.websockets)];
  say("connections-more", `${whole(atWork)} at work · ${whole(sockets)} WebSockets`);
  const failing = rate(look, window, failures) / Math.max(rate(look, window, total), 1e-9);
  say("failures", window && failing > 0 ? `${digits(failing * 100)} %` : "0 %");
  at("failures").className = failing > 0.01 ? "bad-text" : "";
  say("failures-more", `${whole(answers(look, 5, 5))} by 5xx · ${whole(outcome(look, "panicked"))} panics · ${whole(answers(look, 4, 4))} by 4xx`);

  draw("rate-chart", [["", history.map(one => one.rate)]]);
  draw("latency-chart", [["second", history.map(one => one.p99)], ["", history.map(one => one.p50)]]);
  draw("connections-chart", [["", history.map(connections)]]);
  draw("failures-chart", [["bad", history.map(one => one.failing)]]);

  const rates = look.workers.map(one => rate(look, window, of => of.workers.find(w => w.number === one.number)?.total ?? 0));
  const busiest = Math.max(...rates, 1e-9);
  fill("workers", look.workers.map((one, i) => [
    ["", `worker ${one.number}`],
    ["", one.held == null ? "well" : `held for ${duration(one.held)}`, one.held == null ? "" : "bad-text"],
    ["n", digits(rates[i])],
    ["bar", share(rates[i] / busiest)],
    ["n", whole(one.connections)],
    ["n", whole(one.exchanges)],
    ["n", whole(one.websockets)],
    ["n", whole(one.total)],
  ]));
  const counts = new Map(window ? window.routes.map(([label, count]) => [label, count]) : []);
  const span = window ? look.now - window.now : 1;
  const routes = look.routes.map(([label, count, seconds]) => [label, window ? (count - (counts.get(label) ?? 0)) / span : 0, seconds / count, count]);
  routes.sort((a, b) => b[1] - a[1] || b[3] - a[3]);
  fill("routes", routes.slice(0, 20).map(([label, often, mean, count]) => [["", label], ["n", digits(often)], ["n", duration(mean)], ["n", whole(count)]]));
  at("no-routes").hidden = routes.length > 0;
  const stalls = [...look.stalls].sort((a, b) => b[3] - a[3]);
  fill("stalls", stalls.slice(0, 20).map(([label, count, longest, all]) => [["", label], ["n", whole(count)], ["n", duration(longest), "warn-text"], ["n", duration(all)]]));
  at("no-stalls").hidden = stalls.length > 0;

  const facts = [
    ["processor", before ? `${digits(rate(look, before, one => one.cpu) * 100)} %` : "–"],
    ["memory", bytes(look.memory)],
    ["descriptors", look.descriptors == null ? "–" : `${whole(look.descriptors)} of ${look.most_descriptors == null ? "any number" : whole(look.most_descriptors)}`],
    ["received", bytes(look.received)],
    ["sent", bytes(look.sent)],
    ["accept failures", whole(look.accept_failures)],
    ["lost log lines", whole(look.lost_lines)],
  ];
  at("process").replaceChildren(...facts.map(([name, value]) => {
    const pair = document.createElement("div");
    const [term, text] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    text.textContent = value;
    pair.append(term, text);
    return pair;
  }));
}

function notice(look, silent) {
  const held = look.workers.filter(one => one.held != null);
  let text = "";
  if (silent) text = `No answer since ${silent}: the process has ended, or cannot be reached. What is below is old.`;
  else if (look.phase === "draining") text = `Draining: ${whole(connections(look))} connections are open, and have ${duration(look.drain_left)} left.`;
  else if (look.phase === "starting") text = "The application is starting. Nobody is served yet.";
  else if (held.length) text = `The application's code holds ${held.length === 1 ? "a worker" : `${held.length} workers`}, for ${duration(Math.max(...held.map(one => one.held)))} so far: all else on ${held.length === 1 ? "it" : "them"} waits.`;
  at("notice").hidden = !text;
  at("notice").className = silent || held.length ? "bad" : "";
  say("notice", text);
}

async function look() {
  try {
    const answer = await fetch("live", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    const now = await answer.json();
    const last = history.at(-1);
    if (last && (now.pid !== last.pid || now.started !== last.started)) history.length = 0;
    history.push(now);
    if (history.length > KEPT) history.shift();
    const before = history.at(-2);
    now.rate = before ? rate(now, before, total) : null;
    now.failing = before ? rate(now, before, failures) : null;
    now.p50 = percentile(now, before, 0.5);
    now.p99 = percentile(now, before, 0.99);
    show(now);
  } catch {
    at("phase").textContent = "no answer";
    at("phase").className = "badge gone";
    const last = history.at(-1);
    if (last) notice(last, new Date(last.now * 1000).toLocaleTimeString());
  }
  setTimeout(look, 1000);
}

look();
