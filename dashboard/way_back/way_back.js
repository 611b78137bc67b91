// An address that the page has not completed yet is completed in place: the same page is no new entry.
// Where a tab is left is noted for the server, so that it can tell a reload from a way back to an earlier address.
// Back or Forward that no server hears is followed by loading the page anew once there is one.
const INSTALLED = Symbol.for("slimscope.way_back");
const LAG_MS = 1000; // a browser may load anew what stood here a moment before it asked the page to leave
const MOST_MS = 60_000; // longer ago it asked for something else, which the page outlived
const LOOK_MS = 300; // how often somebody looks whether a server is there again

export default function ({ data }) {
  if (window[INSTALLED]) return;
  window[INSTALLED] = true;
  note(data, "", 0);
  const left = new LeftPlaces(data);
  window.addEventListener("beforeunload", () => left.begin());
  window.addEventListener("pagehide", () => note(data, left.places().join(data.between), data.seconds));
  window.addEventListener("popstate", () => isConnected() || left.go());
  const push = window.history.pushState.bind(window.history);
  window.history.pushState = (state, title, url) => {
    const there = new URL(url ?? "", window.location.href);
    const isSamePage = there.pathname === window.location.pathname;
    const isBare = !new URLSearchParams(window.location.search).has(data.completed);
    left.moveOn();
    if (isSamePage && isBare) window.history.replaceState(state, title, url);
    else push(state, title, url);
  };
}

// A page that is loaded anew runs on until the server has answered, and an edit reaches its address meanwhile;
// what is loaded is the address of before. So all count that stood there since the browser began to leave.
class LeftPlaces {
  constructor(data) {
    this.data = data;
    this.past = []; // each with the moment at which the next one took its place
    this.began = -Infinity;
    this.goes = false; // to where Back or Forward led: what stands there is no address that is left
  }

  go() {
    if (this.goes) return;
    this.goes = true;
    const look = setInterval(() => {
      if (!isConnected()) return;
      clearInterval(look);
      window.location.reload();
    }, LOOK_MS);
  }

  here() {
    const history = new URLSearchParams(window.location.search).get(this.data.history) ?? "";
    return `${history.length}.${history.slice(-this.data.characters)}`;
  }

  begin() {
    this.began = performance.now();
  }

  moveOn() {
    this.past = [...this.past, { place: this.here(), until: performance.now() }].slice(-this.data.most);
  }

  places() {
    if (this.goes) return [];
    const now = performance.now();
    const since = (now - this.began < MOST_MS ? this.began : now) - LAG_MS;
    const stood = this.past.filter(({ until }) => until >= since).map(({ place }) => place);
    return [...new Set([...stood, this.here()])];
  }
}

function isConnected() {
  return document.querySelector("[data-test-connection-state=CONNECTED]") !== null;
}

// In a cookie that has the name of the tab: the first thing that a server hears of a page that is loaded anew.
function note(data, places, seconds) {
  const word = new URLSearchParams(window.location.search).get(data.completed) ?? "";
  if (!/^[0-9a-f]+$/.test(word)) return;
  document.cookie = `${data.left}${word}=${places}; Path=/; Max-Age=${seconds}; SameSite=Lax`;
}
