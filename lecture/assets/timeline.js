// One run: its bars, its table, and what was said of it. Knows nothing of where events come from.
//
// All times are the server's, in milliseconds since the run's first request was sent. Text is only ever set as text.

const element = (name, className = "", text = "") => {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
};

const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;

/** Distance of the axis's marks: the least of these that leaves room for their texts. */
const STEPS = [1, 10, 50, 100, 250, 500, 1000, 2000, 5000, 10000, 20000];

/** Pixels for the text of a mark, and for a thread's name in a bar. */
const ROOM = 56;

export class Run {
  /** `planned` is what the server says of it beforehand: title, work, milliseconds, rows. */
  constructor(number, planned, code) {
    this.end = 0;
    this.live = false;
    this.base = Infinity;
    this.length = planned.milliseconds;
    this.stalls = new Map();

    this.root = element("article", "run");
    const title = element("h3", "", planned.title);
    title.id = `run-${number}-title`;
    this.root.setAttribute("aria-labelledby", title.id);
    const head = element("header");
    this.server = element("p", "", "to come");
    head.append(title, element("code", "", code), this.server);

    this.chart = element("div", "chart");
    // The table says the same to those who do not see it.
    this.chart.setAttribute("aria-hidden", "true");
    this.axis = element("div", "axis");
    this.chart.append(element("span"), this.axis);
    this.rows = planned.rows.map((name) => {
      const track = element("div", "track");
      this.chart.append(element("span", "name", name), track);
      return { name, track, spans: [] };
    });

    this.told = element("ul", "stalls");
    this.summary = element("p", "summary");
    this.table = element("details");
    this.root.append(head, this.chart, this.told, this.summary, this.table);
    this.fillTable();
  }

  serving(server) {
    this.server.textContent = `served by ${server}`;
  }

  /** A row is at something else from `at` on; at nothing more without `state`. */
  change({ row, at, state, thread }, now) {
    this.live = true;
    // The latest word is the least late one.
    this.base = Math.min(this.base, now - at);
    const { spans, track } = this.rows[row];
    const last = spans.at(-1);
    if (last && last.to === null) last.to = at;
    if (state) {
      const bar = element("div", `span ${state}`, thread ?? "");
      track.append(bar);
      spans.push({ state, thread, from: at, to: null, bar });
    }
  }

  stall({ worker, route, text }) {
    // What is said of one hold is said better later.
    const key = `${worker} ${route}`;
    let line = this.stalls.get(key);
    if (!line || line.over) {
      line = { item: element("li"), over: false };
      this.told.append(line.item);
      this.stalls.set(key, line);
    }
    line.over = !text.endsWith("so far");
    line.item.replaceChildren(element("strong", "", "Stall detector: "), text);
  }

  ended(summary) {
    this.live = false;
    this.summary.textContent = summary;
    this.fillTable();
  }

  /** One before it failed. */
  dropped() {
    this.server.textContent = "not made";
  }

  failed(why) {
    this.live = false;
    this.summary.classList.add("failed");
    this.summary.textContent = `It came to no end: ${why}`;
    this.fillTable();
  }

  /** How long it has lasted, as far as is known at `now`. */
  extent(now) {
    const ends = this.rows.flatMap(({ spans }) => spans.map((span) => span.to ?? span.from));
    const drawn = Math.max(0, ...ends);
    this.end = this.live ? Math.max(drawn, now - this.base) : drawn;
    return Math.max(this.end, this.length);
  }

  /** Draws it, so that the whole width is `total` milliseconds. */
  draw(total) {
    const width = this.axis.clientWidth;
    const percent = (time) => `${Math.min(100, (time / total) * 100)}%`;
    for (const { from, to, state, bar } of this.rows.flatMap(({ spans }) => spans)) {
      const until = to ?? this.end;
      bar.style.left = percent(from);
      bar.style.width = percent(Math.max(0, until - from));
      if (state === "running") bar.classList.toggle("roomy", ((until - from) / total) * width > ROOM);
    }
    this.drawAxis(total, width, percent);
  }

  drawAxis(total, width, percent) {
    const step = STEPS.find((each) => (each / total) * width > ROOM) ?? STEPS.at(-1);
    // The last one has room for its text too.
    const count = Math.floor((total * Math.max(0, width - ROOM / 2)) / width / step) + 1;
    while (this.axis.childElementCount > count) this.axis.lastElementChild.remove();
    while (this.axis.childElementCount < count) this.axis.append(element("span"));
    [...this.axis.children].forEach((mark, index) => {
      mark.style.left = percent(index * step);
      mark.textContent = `${(index * step) / 1000} s`;
    });
  }

  fillTable() {
    const table = element("table");
    const head = element("tr");
    for (const name of ["", "queued", "had a thread", "waited without", "ended at", "threads"]) {
      const cell = element("th", "", name);
      cell.scope = "col";
      head.append(cell);
    }
    table.append(head);
    for (const { name, spans } of this.rows) {
      const at = (state) => spans.filter((span) => span.state === state && span.to !== null)
        .reduce((sum, { from, to }) => sum + to - from, 0);
      const end = spans.at(-1)?.to ?? null;
      const threads = new Set(spans.map(({ thread }) => thread).filter(Boolean));
      const row = element("tr");
      const heading = element("th", "", name);
      heading.scope = "row";
      row.append(heading);
      const times = [at("queued"), at("running"), at("waiting"), end];
      row.append(...times.map((time) => element("td", "", time === null ? "–" : seconds(time))));
      row.append(element("td", "", [...threads].join(", ")));
      table.append(row);
    }
    const scroll = element("div", "scroll");
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "group");
    scroll.setAttribute("aria-label", "Table of the run");
    scroll.append(table);
    this.table.replaceChildren(element("summary", "", "As a table"), scroll);
  }
}
