// Words of an item, each on the color of its number. Words come from files that people upload: they enter the page
// as textContent only.
const roots = new WeakMap();

export default function ({ parentElement, data }) {
  roots.get(parentElement)?.remove();
  const root = made(parentElement, "section", "word-marks");
  roots.set(parentElement, root);
  root.setAttribute("aria-label", data.label);
  const panels = made(root, "div", "panels");
  for (const { title, words } of data.panels) {
    const panel = made(panels, "div", "panel");
    made(panel, "h4", "", title);
    const line = made(panel, "p", "");
    words.forEach(({ text, ground, ink, said }) => {
      const begins = text.startsWith(" ") || !line.hasChildNodes();
      if (begins) line.append(" ");
      const word = made(line, "span", begins ? "word" : "word on", text.trim());
      word.style.backgroundColor = ground;
      word.style.color = ink;
      word.title = said;
    });
  }
  const scale = made(root, "div", "scale");
  for (const end of ["low", "bar", "high", "note"]) {
    const part = made(scale, "span", end, data.scale[end] ?? "");
    if (end === "bar") part.style.background = `linear-gradient(to right, ${data.scale.colors.join(", ")})`;
  }
  return () => {
    roots.get(parentElement)?.remove();
    roots.delete(parentElement);
  };
}

function made(parent, tag, className, text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
}
