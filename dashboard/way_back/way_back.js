// An address that the page has not completed yet is completed in place: the same page is no new entry.
// Where a tab is left is noted for the server, so that it can tell a reload from a way back to an earlier address.
const INSTALLED = Symbol.for("slimscope.way_back");

export default function ({ data }) {
  if (window[INSTALLED]) return;
  window[INSTALLED] = true;
  note(data, "", 0);
  window.addEventListener("pagehide", () => {
    const history = new URLSearchParams(window.location.search).get(data.history) ?? "";
    note(data, `${history.length}.${history.slice(-data.characters)}`, data.seconds);
  });
  const push = window.history.pushState.bind(window.history);
  window.history.pushState = (state, title, url) => {
    const there = new URL(url ?? "", window.location.href);
    const isSamePage = there.pathname === window.location.pathname;
    const isBare = !new URLSearchParams(window.location.search).has(data.completed);
    if (isSamePage && isBare) window.history.replaceState(state, title, url);
    else push(state, title, url);
  };
}

// In a cookie that has the name of the tab: the first thing that a server hears of a page that is loaded anew.
function note(data, place, seconds) {
  const word = new URLSearchParams(window.location.search).get(data.completed) ?? "";
  if (!/^[0-9a-f]+$/.test(word)) return;
  document.cookie = `${data.left}${word}=${place}; Path=/; Max-Age=${seconds}; SameSite=Lax`;
}
