// The browser's half of the live slider: looks the table up while the knob moves, tells the server when it rests.
// Names and texts come from models that people upload: they enter the page as textContent and attributes only.

const SVG = "http://www.w3.org/2000/svg";
const PARTS = 10000; // width of the plot in the table's integers
const CURVE_PARTS = 1000; // height of a bar or of a curve
const READOUT_WIDTH = 112; // the least, with its gap
const NARROW = 300; // of the slider's width; the style sheet has the same
const KEY_PAUSE_MS = 150; // a held arrow key is one commit, not thirty
const MOST_DIGITS = 8; // that the number box grows to
const SWIPE = 12; // pixels up or down that a finger on the knob does not mean it
const SWEEP_MS = 6000; // what a sweep over all places takes
const CALM_STEPS = 12; // places of a sweep for people who asked for less motion

const GROUPS = "groups";
const IN_TURN = [GROUPS, "rank", "prune", "bits"]; // each stage is given what the one before leaves

const INPUTS = ["pointerdown", "keydown", "wheel"];

const sliders = new WeakMap();
let commits = 0;

export default function ({ parentElement, data, setStateValue }) {
  if (!sliders.has(parentElement)) sliders.set(parentElement, new LiveSlider(parentElement));
  const slider = sliders.get(parentElement);
  slider.receive(data, (commit) => setStateValue("commit", commit));
  return () => {
    slider.remove();
    sliders.delete(parentElement);
  };
}

function element(tag, className = "", text = "", attributes = {}) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function shape(tag, className, attributes = {}) {
  const made = document.createElementNS(SVG, tag);
  made.setAttribute("class", className);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

class LiveSlider {
  constructor(parent) {
    this.sent = null; // the last commit that no server has answered yet: {value, serial, session}
    this.timer = null;
    this.held = false;
    this.givenUp = false; // the drag was called off, and the hand may still be down
    this.typing = false;
    this.refused = false; // what stands in the box is no place of the knob
    this.byKey = false;
    this.sweep = null; // while it plays: {from, began, frame}
    this.isTwice = false; // moved again before the server had answered what was sent
    this.isGone = false;
    this.movedBeside = new MovedKnobs(); // those of the same layer
    this.build(parent);
    this.listen();
  }

  build(parent) {
    const id = `slider-${Math.random().toString(36).slice(2)}`;
    this.root = element("div", "live-slider");
    this.label = element("label", "label", "", { for: id, id: `${id}-label` });
    this.now = element("span", "now", "", { "aria-hidden": "true" });
    this.help = element("button", "help", "?", { type: "button", "aria-describedby": `${id}-help` });
    this.bubble = element("span", "bubble", "", { role: "tooltip", id: `${id}-help` });
    this.play = element("button", "help play", "", { type: "button", "aria-pressed": "false" });
    this.box = element("input", "box", "", { type: "number", "aria-labelledby": `${id}-label ${id}-unit` });
    this.unit = element("span", "unit", "", { id: `${id}-unit` });
    this.range = element("input", "range", "", { type: "range", id, min: 0, step: 1, "aria-describedby": `${id}-help` });
    this.lowEnd = element("span");
    this.nowBelow = element("span", "now-below");
    this.highEnd = element("span");
    this.plot = new Plot((...place) => this.grab(...place), () => this.release(), () => this.giveUp());
    this.refusal = element("p", "refusal", "", { role: "alert", id: `${id}-refusal` });
    this.readouts = element("dl", "readouts");
    this.legend = element("p", "legend");
    this.spoken = element("p", "spoken", "", { role: "status" });

    const names = element("div", "names");
    names.append(this.label, this.help, this.bubble, this.play, this.now);
    const entry = element("div", "entry");
    entry.append(this.box, this.unit);
    const head = element("div", "head");
    head.append(names, entry);
    const ends = element("div", "ends", "", { "aria-hidden": "true" });
    ends.append(this.lowEnd, this.nowBelow, this.highEnd);
    this.root.append(head, this.refusal, this.range, ends, this.plot.root, this.readouts, this.legend, this.spoken);
    parent.appendChild(this.root);
    this.watcher = new ResizeObserver(() => requestAnimationFrame(() => this.arrange()));
    this.watcher.observe(this.root);
  }

  listen() {
    this.root.addEventListener("keydown", (event) => event.key === "Escape" && this.giveUp());
    this.range.addEventListener("pointerdown", (event) => this.takeHold(event));
    this.range.addEventListener("pointerup", (event) => this.letGo(event));
    this.range.addEventListener("pointercancel", () => this.giveUp());
    this.range.addEventListener("keydown", () => this.held || Object.assign(this, { givenUp: false, byKey: true }));
    this.range.addEventListener("input", () => this.slide());
    this.range.addEventListener("change", () => this.commit(this.byKey ? KEY_PAUSE_MS : 0));
    this.range.addEventListener("blur", () => this.timer && this.commit(0));
    this.box.addEventListener("pointerdown", () => (this.entering = !this.box.matches(":focus")));
    this.box.addEventListener("click", () => this.entering && this.box.select());
    this.box.addEventListener("input", () => this.type());
    this.box.addEventListener("change", () => this.leaveBox(KEY_PAUSE_MS));
    this.box.addEventListener("blur", () => this.leaveBox(0));
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.leaveBox(0);
      if (event.key === "Escape") this.forget();
    });
    this.help.addEventListener("keydown", (event) => event.key === "Escape" && this.help.blur());
    this.play.addEventListener("click", () => (this.sweep ? this.stopSweep() : this.startSweep()));
    this.hear = ({ detail }) => this.follow(detail);
    document.addEventListener("slimscope-knob", this.hear);
    this.interrupt = (event) => event.composedPath().includes(this.play) || this.stopSweep();
  }

  // Over all places once and back to where it was: nothing is committed, and any input ends it.
  startSweep() {
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.sweep = { from: this.value, began: performance.now(), frame: 0 };
    for (const kind of INPUTS) document.addEventListener(kind, this.interrupt, true);
    this.drawPlay();
    const step = (now) => {
      const share = Math.max(0, now - this.sweep.began) / SWEEP_MS;
      if (share >= 1) return this.stopSweep();
      const shown = calm ? Math.floor(share * CALM_STEPS) / (CALM_STEPS - 1) : share;
      this.move(this.data.places[Math.round(shown * (this.data.places.length - 1))]);
      this.sweep.frame = requestAnimationFrame(step);
    };
    this.sweep.frame = requestAnimationFrame(step);
  }

  stopSweep() {
    if (!this.sweep) return;
    const { from, frame } = this.sweep;
    cancelAnimationFrame(frame);
    for (const kind of INPUTS) document.removeEventListener(kind, this.interrupt, true);
    this.sweep = null;
    this.drawPlay();
    this.move(from);
  }

  drawPlay() {
    const { play, stop } = this.data.words;
    this.play.textContent = this.sweep ? "\u25A0" : "\u25B6";
    this.play.title = this.sweep ? stop : play;
    this.play.setAttribute("aria-label", `${this.sweep ? stop : play}: ${this.data.label}`);
    this.play.setAttribute("aria-pressed", String(this.sweep !== null));
  }

  receive(data, tell) {
    this.stopSweep();
    if (this.data && this.data.id !== data.id) this.forget();
    if (this.data && !same(this.data.value, data.value)) this.refuse("");
    if (this.data?.moves?.recipe !== data.moves?.recipe) this.stoodAt = null; // elsewhere than this recipe: moved
    this.movedBeside.drawnOf(data.moves?.recipe);
    this.data = data;
    this.tell = tell;
    this.label.textContent = this.label.title = data.label;
    this.help.hidden = this.bubble.hidden = !data.help;
    this.help.setAttribute("aria-label", data.words.help);
    this.bubble.textContent = data.help;
    this.unit.textContent = data.unit;
    this.unit.hidden = !data.unit;
    this.range.max = data.places.length - 1;
    this.range.disabled = this.box.disabled = this.play.disabled = data.disabled;
    this.play.hidden = data.places.length < 3 || data.disabled;
    this.drawPlay();
    this.root.classList.toggle("disabled", data.disabled);
    this.box.min = this.written(data.places[0]);
    this.box.max = this.written(data.places[data.places.length - 1]);
    this.box.step = data.step === null ? "any" : this.written(data.step);
    this.lowEnd.textContent = this.box.min;
    this.highEnd.textContent = this.box.max;
    this.readoutViews = data.readouts.map((readout) => new ReadoutView(readout, data.words));
    this.readouts.replaceChildren(...this.readoutViews.map((view) => view.root));
    this.readouts.hidden = data.readouts.length === 0;
    this.arrange();
    this.plot.receive(data.plot, data.words, data.disabled);
    this.drawStale();
    this.hearAnswer();
    this.move(this.unsettled() ? this.value : data.value);
  }

  // Another knob moves a layer that this one moves too, or the whole network that groups tell of: what depends on it is
  // of the recipe before, until this is drawn of another one.
  follow(knob) {
    const mine = this.data?.moves;
    if (!mine || !knob.moves || knob.id === this.data.id) return;
    const areGroups = mine.column === GROUPS && knob.moves.column === GROUPS;
    const isOfMine = areGroups || knob.moves.layers.some((layer) => mine.layers.includes(layer));
    if (isOfMine || !knob.isElsewhere) this.movedBeside.hear(knob);
    this.drawStale();
  }

  drawStale() {
    const column = this.data.moves?.column;
    const moved = this.movedBeside.all();
    const isBefore = (other) => IN_TURN.indexOf(other.column) < IN_TURN.indexOf(column);
    const isGivenOther = moved.some((other) => isBefore(other) || (column === GROUPS && other.column === GROUPS));
    for (const view of this.readoutViews) view.markStale(isGivenOther || (view.readout.isOfAll && moved.length > 0));
    this.plot.root.classList.toggle("stale", isGivenOther);
  }

  // A server that began anew has heard nothing of what the one before did not answer.
  hearAnswer() {
    if (this.sent === null) return;
    if (this.sent.serial === this.data.acknowledged) Object.assign(this, { sent: null, isTwice: false });
    else if (this.sent.session !== this.data.session) this.tellAgain();
  }

  tellAgain() {
    this.sent = { ...this.sent, session: this.data.session };
    this.tell(this.sent);
  }

  // True while the hand is on the knob or the server has not yet answered: then the knob stays where it is.
  unsettled() {
    return this.held || this.typing || this.timer !== null || this.sent !== null;
  }

  move(value) {
    this.value = value;
    this.row = this.nearest(value);
    const text = this.read(value);
    this.range.value = this.row;
    this.range.setAttribute("aria-valuetext", text);
    this.range.style.setProperty("--share", this.row / Math.max(1, this.data.places.length - 1));
    this.now.textContent = this.nowBelow.textContent = this.nowBelow.title = text;
    if (!this.typing && !this.refused) this.box.value = this.written(value);
    this.sizeBox();
    const between = !same(this.data.places[this.row], value);
    const start = this.nearest(this.data.value);
    this.drawLegend(between);
    const isAtRest = same(value, this.data.value);
    for (const view of this.readoutViews) view.show(this.row, start, between, isAtRest);
    this.plot.show(this.row);
    knobStands(this, same(value, this.data.value), this.data.words.stale);
  }

  // What the server knows or was told.
  settled() {
    return this.sent !== null ? this.sent.value : this.data.value;
  }

  commit(pauseMs) {
    clearTimeout(this.timer);
    this.timer = null;
    if (pauseMs) this.timer = setTimeout(() => this.commit(0), pauseMs);
    else if (!same(this.value, this.settled())) this.send();
  }

  slide() {
    if (this.givenUp) return this.move(this.settled());
    this.refuse("");
    this.move(this.data.places[this.range.valueAsNumber]);
  }

  // Called off by Escape, or by a browser that scrolls instead: all is as if the knob had not been touched.
  giveUp() {
    if (!this.held) return;
    clearTimeout(this.timer);
    Object.assign(this, { timer: null, held: false, givenUp: true });
    this.move(this.settled());
  }

  send() {
    commits += 1;
    const serial = `${Date.now().toString(36)}-${commits}`;
    this.sent = { value: this.value, serial, session: this.data.session };
    this.spoken.textContent = this.readoutViews.map((view) => view.sentence()).join(", ");
    this.tell(this.sent);
  }

  takeHold({ clientX, clientY }) {
    Object.assign(this, { held: true, givenUp: false, byKey: false, from: [clientX, clientY] });
  }

  letGo(event) {
    const [across, along] = [event.clientX - this.from[0], event.clientY - this.from[1]].map(Math.abs);
    if (event.pointerType === "touch" && along > Math.max(across, SWIPE)) this.giveUp();
    this.held = false;
    // The browser's change event, if there is one, comes first.
    setTimeout(() => this.move(this.unsettled() ? this.value : this.data.value));
  }

  grab(share, begins = false) {
    if (begins) this.givenUp = false;
    if (this.data.disabled || this.givenUp) return;
    if (!this.held) this.range.focus({ preventScroll: true });
    this.held = true;
    this.refuse("");
    this.move(this.data.places[this.plot.rowAt(share)]);
  }

  release() {
    Object.assign(this, { held: false, givenUp: false });
    this.commit(0);
  }

  // A number that lies outside is said to, and is neither taken nor changed into another one.
  type() {
    this.typing = true;
    const typed = this.box.valueAsNumber;
    const { min: low, max: high } = this.box;
    const outside = typed < Number(low) || typed > Number(high);
    const said = { got: this.box.value, low, high };
    this.refuse(outside ? this.data.words.outside.replace(/\{(\w+)\}/g, (_, name) => said[name]) : "");
    if (outside) this.move(this.settled());
    else if (!Number.isNaN(typed)) this.move(this.allowed(typed / this.data.factor));
  }

  // Wide enough for its ends and for the decimals that stand in it; what is longer was not written by a knob.
  sizeBox() {
    const { min, max, value } = this.box;
    const digits = Math.max(3, min.length, max.length, Math.min(value.length, MOST_DIGITS));
    this.box.style.setProperty("--digits", digits);
  }

  refuse(sentence) {
    this.refused = sentence !== "";
    this.refusal.textContent = sentence;
    this.refusal.hidden = !this.refused;
    this.box.setAttribute("aria-invalid", String(this.refused));
  }

  leaveBox(pauseMs) {
    this.typing = false;
    this.move(this.value);
    this.commit(pauseMs);
  }

  // Back to the server's value, with nothing underway.
  forget() {
    clearTimeout(this.timer);
    Object.assign(this, { timer: null, typing: false, held: false, sent: null });
    this.refuse("");
    this.move(this.data.value);
  }

  allowed(value) {
    const { places, step } = this.data;
    if (step === null) return places[this.nearest(value)];
    const stepped = Number((Math.round(value / step) * step).toPrecision(12));
    return Math.min(Math.max(stepped, places[0]), places[places.length - 1]);
  }

  nearest(value) {
    const distances = this.data.places.map((place) => Math.abs(place - value));
    return distances.indexOf(Math.min(...distances));
  }

  read(value) {
    if (same(value, this.data.value)) return this.data.text;
    const row = this.nearest(value);
    return same(this.data.places[row], value) ? this.data.texts[row] : `${this.written(value)} ${this.data.unit}`.trim();
  }

  written(value) {
    return String(Number((value * this.data.factor).toFixed(this.data.digits)));
  }

  // As many columns as fit, in rows of equal length: six are 6, 3 + 3 or 2 + 2 + 2, never 5 + 1.
  arrange() {
    const count = Math.max(1, this.readoutViews.length);
    const width = this.root.clientWidth;
    const fitting = Math.max(width < NARROW ? 2 : 1, Math.floor(width / READOUT_WIDTH));
    const rows = Math.ceil(count / fitting);
    this.readouts.style.setProperty("--columns", Math.ceil(count / rows));
  }

  // Needed as soon as a number is not exact; between two rows of the table every number is a neighbor's.
  drawLegend(between) {
    const present = new Set(this.data.readouts.map((readout) => readout.kind));
    if (this.data.readouts.some((readout) => readout.here)) present.add("measured");
    if (between && present.size) present.add("estimated");
    const kinds = ["exact", "measured", "estimated"].filter((kind) => present.has(kind));
    this.legend.hidden = kinds.every((kind) => kind === "exact");
    this.legend.replaceChildren(...kinds.map((kind) => element("span", `kind ${kind}`, this.data.words[kind])));
  }

  remove() {
    this.stopSweep();
    this.isGone = true;
    knobStands(this, true, "");
    document.removeEventListener("slimscope-knob", this.hear);
    clearTimeout(this.timer);
    this.watcher.disconnect();
    this.plot.remove();
    this.root.remove();
  }
}

function same(one, other) {
  return Math.abs(one - other) <= 1e-9 * Math.max(1, Math.abs(one), Math.abs(other));
}

// One number: its text for each place of the knob, and the curve of all of them with a dot on it. Where it was
// measured at the place at which the knob rests, that stands there, and the dot beside the curve of estimates.
class ReadoutView {
  constructor(readout, words) {
    this.readout = readout;
    this.root = element("div", "readout");
    this.name = element("dt", "", readout.label, { title: readout.label });
    const value = element("dd");
    this.number = element("span", "number");
    value.append(this.number, this.drawCurve());
    this.stale = element("span", "stale-word", words.stale);
    this.stale.hidden = true;
    value.append(this.stale);
    this.root.append(this.name, value);
  }

  markStale(isStale) {
    this.stale.hidden = !isStale;
    this.number.classList.toggle("stale", isStale);
  }

  drawCurve() {
    const frame = element("div", `curve ${this.readout.kind}`, "", { "aria-hidden": "true" });
    const picture = shape("svg", "", { viewBox: `0 0 1000 ${CURVE_PARTS}`, preserveAspectRatio: "none" });
    const { curve } = this.readout;
    let pen = "M";
    const path = curve.map((height, row) => {
      if (height === null) return (pen = "M"), "";
      const point = `${pen}${(this.share(row) * 1000).toFixed(1)},${CURVE_PARTS - height}`;
      pen = "L";
      return point;
    });
    picture.append(shape("path", "line", { d: path.join("") }));
    this.start = element("i", "start");
    this.dot = element("i", "dot");
    frame.append(picture, this.start, this.dot);
    return frame;
  }

  share(row) {
    return row / Math.max(1, this.readout.curve.length - 1);
  }

  show(row, start, between, isAtRest) {
    const { texts, curve, here } = this.readout;
    const found = isAtRest ? here : null;
    const { unit, note } = found ?? this.readout;
    const kind = found ? "measured" : this.readout.kind;
    const known = Boolean(found) || curve[row] !== null;
    this.number.textContent = found?.text ?? texts[row];
    if (known && unit) this.number.append(element("small", "", ` ${unit}`));
    this.root.title = note;
    this.root.className = `readout ${kind}`;
    this.root.classList.toggle("missing", !known);
    this.root.classList.toggle("about", known && !found && (kind === "estimated" || between));
    this.place(this.dot, row, found ? here.height : curve[row]);
    this.place(this.start, start, here ? here.height : curve[start]);
  }

  place(dot, row, height) {
    dot.hidden = height === null;
    dot.style.left = `${this.share(row) * 100}%`;
    dot.style.bottom = `${((height ?? 0) / CURVE_PARTS) * 100}%`;
  }

  sentence() {
    return `${this.name.textContent} ${this.root.classList.contains("about") ? "\u2248 " : ""}${this.number.textContent}`;
  }
}

// Bars that stay; lines and the shaded region follow the knob, and can be taken hold of where they are one or two.
class Plot {
  constructor(onGrab, onRelease, onGiveUp) {
    this.root = element("figure", "plot");
    this.caption = element("figcaption");
    this.picture = shape("svg", "", { role: "img", width: "100%" });
    this.axis = element("div", "axis", "", { "aria-hidden": "true" });
    this.root.append(this.caption, this.picture, this.axis);
    this.watcher = new ResizeObserver(() => requestAnimationFrame(() => this.draw()));
    this.watcher.observe(this.picture);
    const share = (event) => {
      const frame = this.picture.getBoundingClientRect();
      return Math.min(Math.max((event.clientX - frame.left) / frame.width, 0), 1);
    };
    // A finger that moves over it scrolls the page; its tap alone is heard.
    this.picture.addEventListener("pointerdown", (event) => {
      this.byMouse = event.pointerType === "mouse";
      if (!this.grabbable || !this.byMouse || event.button !== 0) return;
      this.picture.setPointerCapture(event.pointerId);
      onGrab(share(event), true);
    });
    this.picture.addEventListener("pointermove", (event) => {
      if (this.picture.hasPointerCapture(event.pointerId)) onGrab(share(event));
    });
    this.picture.addEventListener("pointercancel", onGiveUp);
    this.picture.addEventListener("lostpointercapture", onRelease);
    this.picture.addEventListener("click", (event) => {
      if (!this.grabbable || this.byMouse) return;
      onGrab(share(event), true);
      onRelease();
    });
  }

  receive(plot, words, disabled) {
    this.plot = plot;
    this.words = words;
    this.root.hidden = plot === null;
    if (plot === null) return;
    this.grabbable = !disabled && plot.marks.every((marks) => marks.length === 1 || marks.length === 2);
    this.picture.classList.toggle("grabbable", this.grabbable);
    this.picture.setAttribute("aria-label", plot.label);
    this.caption.replaceChildren(element("span", "", plot.caption));
    if (plot.removed || plot.kept) this.caption.append(element("span", "swatch", words.removed));
    const ticks = plot.ticks.map(([at, text]) => element("span", "tick", text, { style: `left:${(at / PARTS) * 100}%` }));
    this.axis.replaceChildren(...ticks, element("span", "axis-name", plot.axis));
    this.width = 0;
    this.draw();
  }

  // Drawn anew only when the width or the bars change; a move of the knob touches four attributes.
  draw() {
    const { clientWidth: width, clientHeight: height } = this.picture;
    if (!this.plot || !width || (width === this.width && height === this.height)) return;
    this.width = width;
    this.height = height;
    const clip = `clip-${Math.random().toString(36).slice(2)}`;
    const bars = this.barPath(this.plot.heights);
    const full = { y: 0, height };
    this.shade = shape("rect", "shade", full);
    this.window = shape("rect", "", full);
    const definition = shape("clipPath", "", { id: clip });
    definition.append(this.window);
    this.lines = shape("path", "marks");
    this.left = shape("path", "kept"); // what stays of each bar, where no line says so
    this.picture.replaceChildren(
      definition,
      this.shade,
      ...(this.plot.kept
        ? [shape("path", "gone", { d: bars }), this.left]
        : [shape("path", "kept", { d: bars }), shape("path", "gone", { d: bars, "clip-path": `url(#${clip})` })]),
      shape("path", "floor", { d: `M0,${height - 0.5}H${width}` }),
      ...this.plot.references.flatMap(([at, label]) => this.reference(at, label)),
      this.lines,
    );
    if (this.row !== undefined) this.show(this.row);
  }

  x(part) {
    return (part / PARTS) * this.width;
  }

  barPath(heights) {
    const { edges } = this.plot;
    const gap = this.width / heights.length > 4 ? 0.5 : 0;
    const tallest = this.height - 8;
    const bar = (height, i) => {
      if (!height) return "";
      const top = this.height - Math.max(1, (height / CURVE_PARTS) * tallest);
      const left = this.x(edges[i]) + gap;
      const right = Math.max(left + 0.5, this.x(edges[i + 1]) - gap);
      return `M${left.toFixed(1)},${this.height}V${top.toFixed(1)}H${right.toFixed(1)}V${this.height}Z`;
    };
    return heights.map(bar).join("");
  }

  reference(at, label) {
    const x = this.x(at);
    const end = x > this.width * 0.6;
    const text = shape("text", "reference", { x: x + (end ? -5 : 5), y: 12, "text-anchor": end ? "end" : "start" });
    text.textContent = label;
    return [shape("path", "reference", { d: `M${x.toFixed(1)},0V${this.height}` }), text];
  }

  show(row) {
    this.row = row;
    if (!this.plot || !this.width) return;
    const marks = this.plot.marks[row];
    this.lines.setAttribute("d", marks.map((at) => `M${this.x(at).toFixed(1)},0V${this.height}`).join(""));
    this.lines.classList.toggle("some", marks.length > 2);
    this.lines.classList.toggle("many", marks.length > 40);
    if (this.plot.kept) this.left.setAttribute("d", this.barPath(this.plot.kept[row]));
    const [low = 0, high = 0] = this.plot.removed ? this.plot.removed[row] : [];
    for (const region of [this.shade, this.window]) {
      region.setAttribute("x", this.x(low));
      region.setAttribute("width", Math.max(0, this.x(high) - this.x(low)));
    }
  }

  // The row whose line is closest to a place on the axis (0 to 1).
  rowAt(share) {
    const distance = (marks) => Math.min(...marks.map((at) => Math.abs(at - share * PARTS)));
    const distances = this.plot.marks.map(distance);
    return distances.indexOf(Math.min(...distances));
  }

  remove() {
    this.watcher.disconnect();
  }
}
