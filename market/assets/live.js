// What others change, as it happens: server-sent events for items, a WebSocket for how many look at one.
// Text of others is put in as text, never as HTML.

const state = document.querySelector("#state");
const AGAIN = 1000;

function say(kind, text) {
  state.dataset.kind = kind;
  state.textContent = text;
}

// A page that nobody looks at, in a tab behind others or kept for whoever goes back to it, must not keep connections: a browser has
// six for a host, and the seventh tab would wait for ever. What `open` makes is closed meanwhile, and made again. It is given what
// it calls if the connection has ended.
function whileSeen(open) {
  let connection = null;
  const close = () => {
    if (connection === null) return;
    connection.onclose = null;
    connection.onerror = null;
    connection.close();
    connection = null;
  };
  const look = () => {
    if (document.visibilityState === "hidden") close();
    else connection ??= open(ended);
  };
  const ended = () => {
    close();
    setTimeout(look, AGAIN);
  };
  document.addEventListener("visibilitychange", look);
  look();
}

// Events from a change on. The browser comes back by itself while it gets no answer, and names the last event that it has; where
// it has given up, since it was answered something else, and where nobody looked, a new source goes on from there.
function events(after, handlers) {
  let last = after;
  whileSeen((ended) => {
    const source = new EventSource(`/api/events?after=${encodeURIComponent(last)}`);
    source.onopen = () => say("live", "Live");
    source.onerror = () => {
      say("lost", "Connecting again…");
      if (source.readyState === EventSource.CLOSED) ended();
    };
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => {
        last = event.lastEventId;
        handle(JSON.parse(event.data));
      });
    }
    return source;
  });
}

const priceOf = (item) => (item.price === 0 ? "Free" : `€ ${item.price}`);

function picture(image, address) {
  image.hidden = address === null;
  if (address === null) image.removeAttribute("src");
  else if (image.getAttribute("src") !== address) image.src = address;
}

function tags(list, names) {
  const tag = (name) => {
    const entry = document.createElement("li");
    entry.textContent = name;
    return entry;
  };
  list.replaceChildren(...names.map(tag));
}

// The list: what is shown is kept as it is now; what is new comes to the front page's top, and is offered elsewhere.
export function follow(list) {
  const template = document.querySelector("#card").content.firstElementChild;
  const total = document.querySelector("#total");
  const nothing = document.querySelector("#nothing");
  const news = document.querySelector("#news");
  const isFront = "front" in list.dataset;
  const cardOf = (id) => list.querySelector(`[data-id="${Number(id)}"]`);
  const offered = new Set();

  const fill = (card, item) => {
    card.dataset.id = item.id;
    card.querySelector(".card-link").href = `/items/${item.id}`;
    card.querySelector(".card-title").textContent = item.title;
    card.querySelector(".price").textContent = priceOf(item);
    card.querySelector(".owner").textContent = item.owner;
    picture(card.querySelector("img"), item.picture);
    tags(card.querySelector(".tags"), item.tags);
  };
  const counted = (more) => {
    total.textContent = Number(total.textContent) + more;
    nothing.hidden = list.children.length > 0;
  };
  const offer = (id) => {
    offered.add(id);
    news.hidden = false;
    news.textContent = offered.size === 1 ? "1 new item, show it" : `${offered.size} new items, show them`;
  };
  const newest = Math.max(0, ...[...list.children].map((card) => Number(card.dataset.id)));
  let top = newest;

  events(list.dataset.live, {
    saved(item) {
      const known = cardOf(item.id);
      if (known) {
        fill(known, item);
        flash(known);
      } else if (isFront && item.id > top) {
        top = item.id;
        const card = template.cloneNode(true);
        fill(card, item);
        list.prepend(card);
        flash(card);
        counted(1);
      } else if (item.id > newest) {
        offer(item.id);
      }
    },
    deleted({ id }) {
      const known = cardOf(id);
      if (!known) return;
      known.remove();
      counted(-1);
    },
    reset: () => location.reload(),
  });
}

function flash(card) {
  card.classList.remove("fresh");
  // Asking for its size has the browser notice that the class was away.
  void card.offsetWidth;
  card.classList.add("fresh");
}

// One item: as it is now, and how many look at it.
export function watch(article) {
  const id = Number(article.dataset.id);
  const at = (name) => article.querySelector(`#${name}`);
  events(article.dataset.live, {
    saved(item) {
      if (item.id !== id) return;
      at("title").textContent = item.title;
      at("price").textContent = priceOf(item);
      at("description").textContent = item.description;
      picture(at("picture"), item.picture);
      tags(at("tags"), item.tags);
    },
    deleted(gone) {
      if (gone.id === id) at("gone").hidden = false;
    },
    reset: () => location.reload(),
  });
  count(id, at("watchers"));
}

function count(id, place) {
  const address = new URL(`/items/${id}/watchers`, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  whileSeen((ended) => {
    const socket = new WebSocket(address);
    socket.onmessage = ({ data }) => {
      const others = Number(data) - 1;
      place.textContent = others === 0 ? "Nobody else looks at it now" : `${others} ${others === 1 ? "other looks" : "others look"} at it now`;
    };
    socket.onclose = () => {
      place.textContent = "";
      // Of what was taken away there is nothing to count.
      if (document.querySelector("#gone").hidden) ended();
    };
    return socket;
  });
}
