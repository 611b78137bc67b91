// Ctrl+Z presses the undo button, Ctrl+Shift+Z the redo button; Cmd does the same. In a text box both keep
// their own meaning: there they take back what was typed. On a phone the menu closes once a page was chosen.
const NOT_TYPED_INTO = new Set(["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"]);
const MENU_COVERS_PAGE = "(max-width: 768px)";
let listening = null; // this file is one module for all pages, and only the newest listener counts

export default function ({ data }) {
  listening?.abort();
  const mine = new AbortController();
  listening = mine;
  document.addEventListener("keydown", (event) => press(event, data), { signal: mine.signal });
  document.addEventListener("click", closeMenu, { signal: mine.signal });
  return () => mine.abort();
}

function press(event, buttons) {
  const isUndo = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.altKey;
  if (!isUndo || event.defaultPrevented || isTypedInto(event.composedPath()[0])) return;
  event.preventDefault();
  document.querySelector(`.${event.shiftKey ? buttons.redo : buttons.undo} button`)?.click();
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
