// The browser's half of the layer list: sorts, searches and moves without the server, tells it what was done.
// Names and texts come from models that people upload: they enter the page as textContent and attributes only.

const EDITABLE = ["prune", "rank", "bits"];
const HEADINGS = ["name", "lock", ...EDITABLE, "size", "error", "sensitivity"];
const LARGEST_FIRST = new Set(["lock", "prune", "size", "error", "sensitivity"]);

const lists = new WeakMap();
const byName = new Intl.Collator(undefined, { numeric: true });

export default function ({ parentElement, data, setStateValue }) {
  if (!lists.has(parentElement)) lists.set(parentElement, new LayerList(parentElement));
  const list = lists.get(parentElement);
  list.receive(data, (said) => setStateValue("said", said));
  return () => {
    list.remove();
    lists.delete(parentElement);
  };
}

function element(tag, className = "", text = "", attributes = {}) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Messages in order until the server has acknowledged them: a run that was overtaken loses none. They outlive a
// reload in this tab, which may have ended the run that was about to do them.
class Messages {
  constructor() {
    this.name = Math.random().toString(36).slice(2);
    this.count = 0;
    this.waiting = [];
  }

  add(layer, column, value = null) {
    this.count += 1;
    this.waiting.push({ serial: `${this.name}-${this.count}`, session: this.session, layer, column, value });
    this.store();
  }

  restore(key) {
    if (this.key === key) return;
    this.key = key;
    this.waiting = stored(key);
  }

  store(waiting = this.waiting) {
    store(this.key, waiting);
  }

  // Whether there is anything to tell again: a session that is new has heard nothing of what waits.
  address(session) {
    const isNew = session !== this.session;
    this.session = session;
    if (isNew) this.waiting = this.waiting.map((message) => ({ ...message, session }));
    return isNew && this.waiting.length > 0;
  }

  acknowledge(serial) {
    const heard = this.waiting.splice(0, this.waiting.findIndex((message) => message.serial === serial) + 1);
    if (heard.length > 0) this.store();
  }

  latest(column, layer = null) {
    const about = (message) => message.column === column && (layer === null || message.layer === layer);
    return this.waiting.findLast(about);
  }
}

// A text that may be broken behind its points and underlines, and is the same text for whoever reads or copies it.
function inPieces(text) {
  return text.split(/(?<=[._/])/).flatMap((piece) => [document.createElement("wbr"), piece]).slice(1);
}

function stored(key) {
  try {
    return JSON.parse(window.sessionStorage.getItem(key)) ?? [];
  } catch {
    return []; // a browser that keeps nothing
  }
}

function store(key, waiting) {
  try {
    if (waiting.length > 0) window.sessionStorage.setItem(key, JSON.stringify(waiting));
    else window.sessionStorage.removeItem(key);
  } catch {
    // a browser that keeps nothing
  }
}

class LayerList {
  constructor(parent) {
    this.messages = new Messages();
    this.rows = new Map();
    this.watcher = new ResizeObserver(() => requestAnimationFrame(() => this.markCut()));
    this.sort = { by: null, falls: false };
    this.moved = new MovedKnobs();
    this.build(parent);
    this.listen();
  }

  build(parent) {
    this.root = element("div", "layer-list");
    this.search = element("input", "search", "", { type: "search", autocomplete: "off", spellcheck: "false" });
    this.count = element("span", "count", "", { role: "status" });
    this.table = element("table", "", "", { role: "grid" });
    this.heads = Object.fromEntries(HEADINGS.map((name) => [name, new Heading(name, () => this.sortBy(name))]));
    this.body = element("tbody");
    this.none = element("p", "none");
    this.footnote = element("p", "footnote");
    const tools = element("div", "tools");
    tools.append(this.search, this.count);
    const line = element("tr");
    line.append(...HEADINGS.map((name) => this.heads[name].root));
    const top = element("thead");
    top.append(line);
    this.table.append(top, this.body);
    this.frame = element("div", "frame");
    this.frame.append(this.table, this.none);
    this.root.append(tools, this.frame, this.footnote);
    parent.appendChild(this.root);
    this.watcher.observe(this.table);
  }

  listen() {
    this.hear = ({ detail }) => this.follow(detail);
    document.addEventListener("slimscope-knob", this.hear);
    this.search.addEventListener("input", () => this.arrange());
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") this.step(event, this.shown()[0]);
    });
    this.body.addEventListener("keydown", (event) => this.press(event));
    this.body.addEventListener("focusin", (event) => this.activate(this.rowAt(event.target)));
    this.body.addEventListener("click", (event) => {
      if (event.target.type !== "checkbox") this.choose(this.rowAt(event.target));
    });
  }

  receive(data, tell) {
    this.tell = tell;
    this.messages.restore(data.key);
    this.messages.acknowledge(data.acknowledged);
    const isToldAgain = this.messages.address(data.session);
    this.moved.drawnOf(data.recipe);
    const before = this.chosen;
    this.chosen = this.messages.latest("name")?.layer ?? data.chosen;
    this.data = data;
    this.name(data.words);
    this.footnote.textContent = data.footnote;
    for (const column of EDITABLE) this.root.classList.toggle(`without-${column}`, data.hidden.includes(column));
    this.root.classList.toggle("scanned", data.rows.some((row) => row.sensitivity));
    const gone = new Set(this.rows.keys());
    for (const row of data.rows) {
      gone.delete(row.id);
      if (!this.rows.has(row.id)) this.rows.set(row.id, new Row(this));
      this.rows.get(row.id).receive(row, data.words);
    }
    for (const id of gone) this.forget(id);
    const heads = Object.values(this.heads).filter((head) => getComputedStyle(head.root).display !== "none");
    for (const row of this.rows.values()) row.sentence.colSpan = heads.length;
    this.markStale();
    this.mark();
    this.arrange();
    if (this.chosen !== before) this.bringIntoView(this.rows.get(this.chosen));
    this.markCut();
    if (isToldAgain) tell([...this.messages.waiting]);
  }

  // A knob moves what rows say, which are of the recipe before until they are drawn of another one.
  follow(knob) {
    this.moved.hear(knob);
    this.markStale();
  }

  markStale() {
    const moved = this.moved.all();
    for (const row of this.rows.values()) {
      row.markStale(moved.filter(({ layers }) => layers.includes(row.id)).map(({ column }) => column));
    }
  }

  // All are measured before the first is marked, so that the page is laid out once.
  markCut() {
    const rows = [...this.rows.values()].map((row) => [row, row.isCut()]);
    for (const [row, isCut] of rows) row.title.classList.toggle("cut", isCut);
  }

  name(words) {
    this.table.setAttribute("aria-label", words.table);
    this.search.setAttribute("aria-label", words.search);
    this.search.placeholder = words.placeholder;
    this.none.textContent = words.none;
    for (const [name, head] of Object.entries(this.heads)) head.name(words[name], words.hints[name] ?? "");
  }

  forget(id) {
    this.rows.get(id).remove();
    this.rows.delete(id);
  }

  say(layer, column, value) {
    this.messages.add(layer, column, value);
    this.tell([...this.messages.waiting]);
  }

  choose(row) {
    if (!row || this.chosen === row.id) return;
    this.chosen = row.id;
    this.mark();
    this.say(row.id, "name");
  }

  mark() {
    for (const row of this.rows.values()) row.mark(row.id === this.chosen);
    this.activate(this.rows.get(this.chosen));
  }

  // One row at a time can be reached by Tab; arrow keys lead to the others.
  activate(row) {
    if (!row || row === this.active) return;
    this.active?.reach(false);
    this.active = row;
    row.reach(true);
  }

  rowAt(target) {
    const line = target.closest("tr");
    return [...this.rows.values()].find((row) => row.root === line || row.told === line);
  }

  shown() {
    return this.order.filter((row) => !row.root.hidden);
  }

  press(event) {
    const row = this.rowAt(event.target);
    const shown = this.shown();
    const at = shown.indexOf(row);
    const onRow = event.target === row.root;
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, ...(onRow && { Home: 0, End: shown.length - 1 }) }[event.key];
    if (next !== undefined) this.step(event, shown[next], row.cellAt(event.target)?.column);
    else if (event.key === "Enter" || (event.key === " " && onRow)) this.enter(event, row);
  }

  enter(event, row) {
    if (event.target.type === "checkbox") return;
    event.preventDefault();
    row.cellAt(event.target)?.commit();
    this.choose(row);
  }

  step(event, row, column) {
    event.preventDefault();
    if (!row) return;
    this.activate(row);
    (column ? row.cells[column].box : row.root).focus({ preventScroll: true });
    this.bringIntoView(row);
  }

  sortBy(name) {
    const first = LARGEST_FIRST.has(name);
    if (this.sort.by !== name) this.sort = { by: name, falls: first };
    else if (this.sort.falls === first) this.sort = { by: name, falls: !first };
    else this.sort = { by: null, falls: false };
    for (const [other, head] of Object.entries(this.heads)) head.show(other === this.sort.by && this.sort);
    this.arrange();
  }

  // Rows stay where they are while something is typed: nothing moves away under the hand.
  arrange() {
    const wanted = this.search.value.trim().toLocaleLowerCase();
    for (const row of this.rows.values()) row.hide(!row.contains(wanted));
    if (!this.order || ![...this.rows.values()].some((row) => row.isTyped())) this.reorder();
    const words = this.data.words.found.replace("{shown}", this.shown().length).replace("{all}", this.rows.size);
    if (this.count.textContent !== words) this.count.textContent = words;
    this.none.hidden = this.shown().length > 0;
  }

  reorder() {
    const rows = this.data.rows.map((row) => this.rows.get(row.id));
    if (this.sort.by !== null) rows.sort((a, b) => compared(a.rank(this.sort.by), b.rank(this.sort.by), this.sort.falls));
    if (this.order?.length === rows.length && this.order.every((row, i) => row === rows[i])) return;
    const focused = this.root.getRootNode().activeElement;
    this.order = rows;
    this.body.append(...rows.flatMap((row) => [row.root, row.told]));
    if (focused && this.body.contains(focused)) focused.focus({ preventScroll: true });
  }

  // Within the table alone: the page itself must not move.
  bringIntoView(row) {
    if (!row || row.root.hidden) return;
    const frame = this.frame.getBoundingClientRect();
    const top = this.table.tHead.getBoundingClientRect().bottom;
    const { top: from, bottom: to } = row.root.getBoundingClientRect();
    if (from < top) this.frame.scrollTop -= top - from;
    else if (to > frame.bottom) this.frame.scrollTop += to - frame.bottom;
  }

  // Another page of the same session: its run does first what waits.
  remove() {
    this.messages.store([]);
    this.watcher.disconnect();
    document.removeEventListener("slimscope-knob", this.hear);
    this.root.remove();
  }
}

// What has no number comes last, whichever way the others go.
function compared(one, other, falls) {
  if (one === null || other === null) return (one === null) - (other === null);
  const order = typeof one === "string" ? byName.compare(one, other) : one - other;
  return falls ? -order : order;
}

class Heading {
  constructor(name, sort) {
    this.root = element("th", name, "", { scope: "col", "aria-sort": "none" });
    this.button = element("button", "", "", { type: "button" });
    this.root.append(this.button);
    this.button.addEventListener("click", sort);
  }

  name(word, hint) {
    this.button.textContent = word;
    this.button.title = hint;
  }

  show(sort) {
    this.root.setAttribute("aria-sort", !sort ? "none" : sort.falls ? "descending" : "ascending");
  }
}

class Row {
  constructor(list) {
    this.list = list;
    this.root = element("tr", "layer", "", { tabindex: -1 });
    this.title = element("span", "title");
    this.whole = element("span", "whole");
    this.kind = element("span", "kind");
    this.lock = element("input", "", "", { type: "checkbox", tabindex: -1 });
    this.cells = Object.fromEntries(EDITABLE.map((column) => [column, new Cell(this, column)]));
    this.size = element("span", "number");
    this.bar = element("span", "bar", "", { "aria-hidden": "true" });
    this.error = element("span", "number");
    this.sensitivity = element("span", "number");
    this.told = element("tr", "told");
    this.sentence = element("td", "", "", { id: `told-${Math.random().toString(36).slice(2)}` });
    this.told.append(this.sentence);
    this.build();
    this.lock.addEventListener("change", () => list.say(this.id, "lock", this.lock.checked));
  }

  build() {
    const name = element("th", "name", "", { scope: "row" });
    const lock = element("td", "lock");
    const size = element("td", "size");
    const error = element("td", "error");
    this.title.append(this.whole);
    this.stale = element("span", "stale-word");
    this.stale.hidden = true;
    const below = element("span", "below");
    below.append(this.kind, this.stale);
    name.append(this.title, below);
    lock.append(this.lock);
    size.append(this.size, this.bar);
    const sensitivity = element("td", "sensitivity");
    error.append(this.error);
    sensitivity.append(this.sensitivity);
    this.root.append(name, lock, ...EDITABLE.map((column) => this.cells[column].root), size, error, sensitivity);
  }

  receive(row, words) {
    this.id = row.id;
    this.row = row;
    if (this.whole.textContent !== row.name) this.whole.replaceChildren(...inPieces(row.name));
    this.stale.textContent = words.stale;
    this.kind.textContent = `${row.kind} \u00b7 ${row.shape}`;
    this.title.parentElement.title = `${row.name}\n${row.kind} ${row.shape}`;
    this.lock.checked = this.list.messages.latest("lock", row.id)?.value ?? row.locked;
    this.lock.setAttribute("aria-label", `${words.lock}: ${row.name}`);
    this.root.classList.toggle("locked", row.locked);
    const held = this.list.data.held;
    for (const column of EDITABLE) {
      const note = held.includes(column) ? words.held : "";
      this.cells[column].receive(row.cells[column], `${words[column]}: ${row.name}`, note);
    }
    this.size.textContent = row.size.text;
    this.size.parentElement.title = row.size.title;
    this.bar.style.setProperty("--now", row.bar[0]);
    this.bar.style.setProperty("--before", row.bar[1]);
    this.error.className = `number ${row.error.kind}`;
    this.error.textContent = row.error.text;
    this.error.parentElement.title = row.error.title;
    this.sensitivity.className = `number ${row.sensitivity?.kind ?? ""}`;
    this.sensitivity.textContent = row.sensitivity?.text ?? "";
    this.sensitivity.parentElement.title = row.sensitivity?.title ?? "";
    this.tell();
  }

  // What was refused here; else what typing here does besides, before it is done. That stands while the row is
  // chosen or typed into, and not while it has the focus alone: rows must not move between press and release.
  tell() {
    const refused = this.said((cell) => (cell.isRefused() ? cell.cell.refusal : ""));
    const said = refused || this.said((cell) => (cell.isAtHand() ? cell.cell.beforehand : ""));
    if (this.sentence.textContent !== said) this.sentence.textContent = said;
    this.told.classList.toggle("refusal", Boolean(refused));
    this.told.hidden = !said || this.root.hidden;
  }

  said(of) {
    return EDITABLE.map((column) => of(this.cells[column])).filter(Boolean).join(" ");
  }

  hide(hidden) {
    this.root.hidden = hidden;
    this.tell();
  }

  mark(chosen) {
    this.root.setAttribute("aria-selected", chosen);
    this.tell();
  }

  // What the moved knobs set, and what follows from it; a scan says the same of every recipe.
  markStale(columns) {
    this.stale.hidden = columns.length === 0;
    this.root.classList.toggle("stale", columns.length > 0);
    for (const column of EDITABLE) this.cells[column].root.classList.toggle("moved", columns.includes(column));
  }

  contains(wanted) {
    return [this.row.name, this.row.kind].some((text) => text.toLocaleLowerCase().includes(wanted));
  }

  isCut() {
    return this.whole.offsetHeight > this.title.clientHeight + 1;
  }

  isTyped() {
    return EDITABLE.some((column) => this.cells[column].typing);
  }

  cellAt(target) {
    return EDITABLE.map((column) => this.cells[column]).find((cell) => cell.box === target);
  }

  rank(column) {
    if (column === "name") return this.row.name;
    if (column === "lock") return Number(this.row.locked);
    return (this.row.cells[column] ?? this.row[column])?.order ?? null;
  }

  reach(can) {
    for (const part of [this.root, this.lock, ...EDITABLE.map((column) => this.cells[column].box)]) {
      part.tabIndex = can ? 0 : -1;
    }
  }

  remove() {
    this.root.remove();
    this.told.remove();
  }
}

// A number that can be typed. While it is, what the server says of it waits.
class Cell {
  constructor(row, column) {
    this.row = row;
    this.column = column;
    this.typing = false;
    this.root = element("td", column);
    this.box = element("input", "", "", { type: "text", inputmode: "decimal", autocomplete: "off", tabindex: -1 });
    this.note = element("span", "note");
    this.root.append(this.box, this.note);
    this.box.addEventListener("focus", () => this.box.select());
    this.box.addEventListener("input", () => this.type());
    this.box.addEventListener("blur", () => this.commit());
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.restore();
    });
  }

  // held: why this cannot be typed into, empty where it can.
  receive(cell, label, held) {
    this.cell = cell;
    this.box.readOnly = Boolean(held);
    this.root.classList.toggle("held", Boolean(held));
    this.box.setAttribute("aria-label", label);
    this.box.placeholder = cell.placeholder;
    this.note.textContent = cell.note;
    this.root.title = [held, cell.title, cell.beforehand].filter(Boolean).join("\n");
    this.box.setAttribute("aria-description", [held, cell.title, cell.beforehand].filter(Boolean).join(" "));
    const text = this.waiting()?.value ?? (this.isRefused() ? cell.typed : cell.text);
    if (!this.typing && this.box.value !== text) this.box.value = text;
    this.show();
  }

  waiting() {
    return this.row.list.messages.latest(this.column, this.row.id);
  }

  isWaiting() {
    return this.waiting() !== undefined;
  }

  isRefused() {
    return Boolean(this.cell?.refusal) && !this.typing && !this.isWaiting();
  }

  isAtHand() {
    return this.typing || this.isWaiting() || this.row.id === this.row.list.chosen;
  }

  // What was handed over is no text any more that could be taken back: Ctrl+Z in it is the page's.
  show() {
    const refused = this.isRefused();
    this.box.toggleAttribute("data-handed-over", !this.typing);
    this.box.setAttribute("aria-invalid", refused);
    if (refused) this.box.setAttribute("aria-describedby", this.row.sentence.id);
    else this.box.removeAttribute("aria-describedby");
  }

  type() {
    this.typing = true;
    this.show();
    this.row.tell();
  }

  commit() {
    if (!this.typing) return;
    this.typing = false;
    const text = this.box.value.trim();
    if (text !== this.cell.text || this.cell.refusal) this.row.list.say(this.row.id, this.column, text);
    this.show();
    this.row.tell();
  }

  // Back to what the recipe says; the server forgets what it refused.
  restore() {
    this.typing = Boolean(this.cell.refusal);
    this.box.value = this.cell.text;
    this.commit();
  }
}
