// Ctrl+Z presses the undo button, Ctrl+Shift+Z the redo button; Cmd does the same. In a text box both keep
// their own meaning: there they take back what was typed. On a phone the menu closes once a page was chosen.
// What a tab opens comes into view; where undo can do no more, the keys stay on redo, and the other way round.
const NOT_TYPED_INTO = new Set(["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"]);
const MENU_COVERS_PAGE = "(max-width: 768px)";
const AT_REST = '[data-testid="stApp"][data-test-script-state="notRunning"]';
const GRACE_MS = 1000; // for what says after a pause that it was changed
const UNHEARD = "data-knob-elsewhere"; // a knob was moved, and the server has not answered yet
let kept = [];
const OPENS_WITHIN_MS = 20_000; // where many people share a server
const GAP = 8; // between the header and a row of tabs
const CHOOSES_A_TAB = new Set(["ArrowLeft", "ArrowRight", "Home", "End", "Enter", " "]);
const CANNOT_HAVE_FOCUS = ':disabled, [aria-disabled="true"]';
let listening = null; // this file is one module for all pages, and only the newest listener counts
let askedFor = null; // the theme that the server was last asked to draw in

export default function ({ data, setTriggerValue }) {
  listening?.abort();
  const mine = new AbortController();
  listening = mine;
  document.addEventListener("keydown", (event) => press(event, data), { signal: mine.signal });
  document.addEventListener("click", closeMenu, { signal: mine.signal });
  const app = document.querySelector('[data-testid="stApp"]');
  const rest = new MutationObserver(() => pressKept());
  if (app) rest.observe(app, { attributeFilter: ["data-test-script-state"] });
  const heard = new MutationObserver(() => forgetSoon());
  heard.observe(document.documentElement, { attributeFilter: [UNHEARD] });
  mine.signal.addEventListener("abort", () => (rest.disconnect(), heard.disconnect()));
  document.addEventListener("click", bringIntoView, { signal: mine.signal, capture: true });
  document.addEventListener("keydown", bringChosenIntoView, { signal: mine.signal, capture: true });
  sayIn(data.words, mine.signal);
  document.addEventListener("click", (event) => keepFocus(event, data), { signal: mine.signal });
  document.addEventListener("focusout", giveFocusBack, { signal: mine.signal, capture: true });
  if (app && data.theme) followTheme(app, data.theme, () => setTriggerValue("theme", Date.now()), mine.signal);
  return () => mine.abort();
}

// Figures have the colors of the theme that a run was drawn in. A visitor whose theme changes in between, as
// evening comes or by the menu, would read light on light until the next run. A theme is asked for once.
function followTheme(app, drawn, ask, signal) {
  const look = () => {
    const shown = getComputedStyle(app).colorScheme;
    if (shown === drawn) askedFor = null;
    else if (shown !== askedFor) {
      askedFor = shown;
      ask();
    }
  };
  const changed = new MutationObserver(look);
  changed.observe(app, { attributeFilter: ["class"] });
  signal.addEventListener("abort", () => changed.disconnect());
  look();
}

function press(event, buttons) {
  const isUndo = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.altKey;
  if (!isUndo || event.defaultPrevented || isTypedInto(event.composedPath()[0])) return;
  event.preventDefault();
  const name = event.shiftKey ? buttons.redo : buttons.undo;
  if (kept.some((press) => press.until === Infinity) || !pressed(name)) keep(name);
}

// A button that has nothing to take back yet, because the page of the last change is still being drawn or is
// only asked for in a moment, is pressed when it has: one press for each run, in order.
function keep(name) {
  kept.push({ name, until: Infinity });
  forgetSoon();
}

// Where no run and no moved knob is waited for, none may come: a knob that was given back changes nothing.
function forgetSoon() {
  if (!document.querySelector(AT_REST) || document.documentElement.hasAttribute(UNHEARD)) return;
  for (const press of kept) press.until = Math.min(press.until, Date.now() + GRACE_MS);
}

function pressKept() {
  const now = Date.now();
  kept = kept.filter((press) => press.until >= now);
  if (kept.length === 0) return;
  if (!document.querySelector(AT_REST)) {
    for (const press of kept) press.until = Infinity; // this is the run that they wait for
    return;
  }
  const { name } = kept.shift();
  requestAnimationFrame(() => pressed(name) || pressKept()); // the buttons of this run are drawn then
}

function pressed(name) {
  const button = document.querySelector(`.${name} button`);
  if (!button || button.disabled) return false;
  button.click();
  return true;
}

// A list to choose from has a text box too; what was chosen there is no text that could be taken back. Nor is
// what a box has handed over, which says so of itself.
function isTypedInto(element) {
  if (element.hasAttribute("data-handed-over")) return false;
  if (element.isContentEditable || element instanceof HTMLTextAreaElement) return true;
  if (!(element instanceof HTMLInputElement) || NOT_TYPED_INTO.has(element.type)) return false;
  return !(element.getAttribute("role") === "combobox" && element.value === "");
}

function closeMenu(event) {
  if (!event.target.closest('[data-testid="stSidebarNavLink"]') || !matchMedia(MENU_COVERS_PAGE).matches) return;
  document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
}

// The keys that choose a tab do as a click on it does; with a key held, they belong to the browser.
function bringChosenIntoView(event) {
  if (!CHOOSES_A_TAB.has(event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.matches('[role="tab"]')) bringIntoView(event);
}

// The row of tabs goes below what stays on top, once the page is long enough for that, unless the visitor moves on.
// One that lies high enough stays where it is: until the new tab is drawn, the page is shorter and slips down.
// Heard on the way down: a tab lets nobody hear of its click afterwards.
function bringIntoView(event) {
  const row = event.target.closest('[role="tab"]')?.closest('[role="tablist"]');
  const page = row?.closest('[data-testid="stMain"]');
  if (!page) return;
  const over = new AbortController();
  const stood = row.getBoundingClientRect().top;
  const header = () => document.querySelector(".st-key-slimscope_header")?.getBoundingClientRect().bottom ?? 0;
  const goal = stood < page.clientHeight / 2 ? () => stood : () => header() + GAP;
  const scroll = () => page.scrollBy({ top: row.getBoundingClientRect().top - goal() });
  const grown = new ResizeObserver(scroll);
  grown.observe(page.querySelector('[data-testid="stMainBlockContainer"]'));
  over.signal.addEventListener("abort", () => grown.disconnect());
  for (const kind of ["wheel", "keydown", "pointerdown"]) {
    document.addEventListener(kind, () => over.abort(), { signal: over.signal, capture: true });
  }
  setTimeout(() => over.abort(), OPENS_WITHIN_MS);
}

// The browser drops the focus of a button that becomes disabled, and the keys would begin at the top of the page.
function keepFocus(event, { undo, redo }) {
  const pressed = [undo, redo].find((name) => event.target.closest(`.${name} button`));
  if (!pressed) return;
  const other = pressed === undo ? redo : undo;
  const watch = new MutationObserver(() => {
    if (document.activeElement !== document.body) return;
    document.querySelector(`.${other} button:enabled`)?.focus();
  });
  watch.observe(document.body, { attributeFilter: ["disabled"], childList: true, subtree: true });
  setTimeout(() => watch.disconnect(), OPENS_WITHIN_MS);
}

// While a page is drawn anew, Streamlit disables the tabs of the page before, and hides what stands around a part of
// itself that it has to fetch. The browser drops the focus of both: it comes back unless the visitor moves on. It is
// dropped in the middle of that, before all that is to be seen of it is there.
function giveFocusBack(event) {
  if (event.relatedTarget) return;
  const [lost] = event.composedPath();
  queueMicrotask(() => mayHaveFocus(lost) || waitToFocus(lost));
}

function mayHaveFocus(element) {
  return element.checkVisibility() && !element.matches(CANNOT_HAVE_FOCUS);
}

function waitToFocus(element) {
  const over = new AbortController();
  const look = () => {
    const hasMovedOn = over.signal.aborted || document.activeElement !== document.body;
    if (hasMovedOn || !element.isConnected) return over.abort();
    if (mayHaveFocus(element)) element.focus({ preventScroll: true });
    requestAnimationFrame(look);
  };
  for (const kind of ["keydown", "pointerdown"]) {
    document.addEventListener(kind, () => over.abort(), { signal: over.signal, capture: true });
  }
  setTimeout(() => over.abort(), OPENS_WITHIN_MS);
  requestAnimationFrame(look);
}
