// What both models answer to one item. A slider tells the document where its knob stands while it is elsewhere than
// the server knows: then the compressed model's bars are those of the nearest place that was worked out, or stale.
// Names of classes come from models that people upload: they enter the page as textContent only.
const views = new WeakMap();

export default function ({ parentElement, data }) {
  if (!views.has(parentElement)) views.set(parentElement, new ItemBars(parentElement));
  views.get(parentElement).receive(data);
  return () => {
    views.get(parentElement)?.remove();
    views.delete(parentElement);
  };
}

function made(parent, tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
}

class ItemBars {
  constructor(parent) {
    this.root = made(parent, "section", "item-bars");
    this.knobs = new Map(); // those that stand elsewhere, with their values
    this.hear = ({ detail }) => this.follow(detail);
    document.addEventListener("slimscope-knob", this.hear);
  }

  receive(data) {
    this.data = data;
    this.root.replaceChildren();
    const head = made(this.root, "div", "head");
    made(head, "strong", "title", data.words.title);
    for (const model of ["after", "before"]) made(head, "span", `swatch ${model}`, data.words[model]);
    this.state = made(head, "span", "state");
    const rows = made(this.root, "div", "rows");
    this.bars = data.classes.map((name) => {
      made(rows, "span", "class", name).title = name;
      const pair = made(rows, "div", "pair");
      return { after: this.bar(pair, "after"), before: this.bar(pair, "before") };
    });
    this.said = made(this.root, "p", "said");
    this.show("before", data.before);
    this.draw();
  }

  bar(pair, model) {
    const line = made(pair, "div", "line");
    return { bar: made(line, "i", `bar ${model}`), text: made(line, "span", "share") };
  }

  follow({ id, value, isElsewhere }) {
    if (isElsewhere) this.knobs.set(id, value);
    else this.knobs.delete(id);
    this.draw();
  }

  draw() {
    const [moved] = this.knobs;
    const table = moved && this.knobs.size === 1 ? this.data.ahead[moved[0]] : undefined;
    const { stale, here, nearest } = this.data.words;
    this.root.classList.toggle("stale", Boolean(moved) && !table);
    if (!table) {
      this.root.classList.remove("about");
      this.state.textContent = moved ? stale : "";
      return this.answer(this.data.after);
    }
    const distances = table.values.map((place) => Math.abs(place - moved[1]));
    const at = distances.indexOf(Math.min(...distances));
    const words = { place: table.texts[at], count: table.values.length };
    const template = distances[at] < 1e-9 ? here : nearest;
    this.root.classList.toggle("about", distances[at] >= 1e-9);
    this.state.textContent = template.replace(/\{(\w+)\}/g, (_, name) => words[name]);
    this.answer(table.answers[at]);
  }

  answer(found) {
    this.show("after", found);
    this.said.textContent = `${this.data.before.said} ${found.said}`;
  }

  show(model, { shares, texts }) {
    this.bars.forEach((pair, row) => {
      pair[model].bar.style.width = `${(shares[row] ?? 0) * 80}%`;
      pair[model].text.textContent = texts[row];
    });
  }

  remove() {
    document.removeEventListener("slimscope-knob", this.hear);
    this.root.remove();
  }
}
