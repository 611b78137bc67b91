// Ctrl+Z presses the undo button, Ctrl+Shift+Z the redo button; Cmd does the same. In a text box both keep
// their own meaning: there they take back what was typed. On a phone the menu closes once a page was chosen.
const NOT_TYPED_INTO = new Set(["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"]);
const MENU_COVERS_PAGE = "(max-width: 768px)";
const AT_REST = '[data-testid="stApp"][data-test-script-state="notRunning"]';
const GRACE_MS = 1000; // a slider that is moved by key says so after a pause
let kept = [];
let listening = null; // this file is one module for all pages, and only the newest listener counts

export default function ({ data }) {
  listening?.abort();
  const mine = new AbortController();
  listening = mine;
  document.addEventListener("keydown", (event) => press(event, data), { signal: mine.signal });
  document.addEventListener("click", closeMenu, { signal: mine.signal });
  const app = document.querySelector('[data-testid="stApp"]');
  const rest = new MutationObserver(() => pressKept());
  if (app) rest.observe(app, { attributeFilter: ["data-test-script-state"] });
  mine.signal.addEventListener("abort", () => rest.disconnect());
  return () => mine.abort();
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
  kept.push({ name, until: document.querySelector(AT_REST) ? Date.now() + GRACE_MS : Infinity });
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

// A list to choose from has a text box too; what was chosen there is no text that could be taken back.
function isTypedInto(element) {
  if (element.isContentEditable || element instanceof HTMLTextAreaElement) return true;
  if (!(element instanceof HTMLInputElement) || NOT_TYPED_INTO.has(element.type)) return false;
  return !(element.getAttribute("role") === "combobox" && element.value === "");
}

function closeMenu(event) {
  if (!event.target.closest('[data-testid="stSidebarNavLink"]') || !matchMedia(MENU_COVERS_PAGE).matches) return;
  document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
}
