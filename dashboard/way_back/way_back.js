// An address that the page has not completed yet is completed in place: the same page is no new entry.
const INSTALLED = Symbol.for("slimscope.way_back");

export default function ({ data }) {
  if (window[INSTALLED]) return;
  window[INSTALLED] = true;
  const push = window.history.pushState.bind(window.history);
  window.history.pushState = (state, title, url) => {
    const there = new URL(url ?? "", window.location.href);
    const isSamePage = there.pathname === window.location.pathname;
    const isBare = !new URLSearchParams(window.location.search).has(data.completed);
    if (isSamePage && isBare) window.history.replaceState(state, title, url);
    else push(state, title, url);
  };
}
