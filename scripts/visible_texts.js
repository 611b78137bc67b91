// Every text that a person sees on a page, with its color and where it stands: of elements, charts, inputs and pseudo
// elements. kind: text, icon (a sign of a font), inactive (of a control that cannot be used: it may be faint).
() => {
  const ICONS = "[data-testid=stIconMaterial], [class*=material-symbols], [translate=no]";
  const INACTIVE = ":disabled, [aria-disabled=true], fieldset:disabled *, label:has(:disabled), [data-testid=stTooltipHoverTarget]:has(:disabled)";
  const pencil = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const drawing = pencil.getContext("2d", { willReadFrequently: true });
  const channels = (color) => {
    drawing.clearRect(0, 0, 1, 1);
    drawing.fillStyle = color;
    drawing.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = drawing.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const opacityOf = (element) => {
    let product = 1;
    for (let at = element; at; at = at.parentElement) product *= parseFloat(getComputedStyle(at).opacity);
    return product;
  };
  const everything = document.createElement("style");
  everything.textContent = "* { pointer-events: auto !important }";
  document.head.append(everything);
  const isOnTop = (element, box) => {
    const chart = element.closest("svg") && (element.closest(".js-plotly-plot") || element.closest("svg"));
    // what something covers in part is left out: its picture shows the cover
    const places = [0.02, 0.5, 0.98].flatMap((across) => [0.1, 0.5, 0.9].map((down) => [across, down]));
    return places.every(([across, down]) => {
      const hit = document.elementFromPoint(box.left + box.width * across, box.top + box.height * down);
      if (chart) return chart.contains(hit); // a chart lays a clear sheet over itself to be dragged
      return hit !== null && (element.contains(hit) || (hit.contains(element) && hit.matches("label, button, a, summary")));
    });
  };
  const found = [];
  const note = (element, text, color, boxes) => {
    const style = getComputedStyle(element);
    if (style.visibility === "hidden" || element.closest("script, style, noscript, title, [data-testid=stStatusWidget]")) return;
    const shown = boxes.filter((box) => box.width > 2 && box.height > 2 && box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight && isOnTop(element, box));
    const [red, green, blue, alpha] = channels(color);
    const opacity = alpha * opacityOf(element);
    if (!shown.length || opacity < 0.02) return;
    const kind = element.closest(INACTIVE) ? "inactive" : element.closest(ICONS) ? "icon" : "text";
    found.push({ text: text.slice(0, 60), kind, color: [red, green, blue], opacity, boxes: shown.map((box) => [box.left, box.top, box.width, box.height]) });
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (!node.textContent.trim() || !element) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const style = getComputedStyle(element);
    const isDrawn = element instanceof SVGElement;
    const fill = isDrawn ? style.fill : style.webkitTextFillColor || style.color;
    if (fill === "none") continue;
    note(element, node.textContent.trim(), fill, [...range.getClientRects()]);
  }
  for (const input of document.querySelectorAll("input:not([type=checkbox], [type=radio], [type=range], [type=file], [type=hidden]), textarea")) {
    const isEmpty = !input.value;
    const text = input.value || input.placeholder;
    if (text) note(input, text, getComputedStyle(input, isEmpty ? "::placeholder" : null).color, [input.getBoundingClientRect()]);
  }
  for (const element of document.querySelectorAll("body *")) {
    for (const side of ["::before", "::after"]) {
      const style = getComputedStyle(element, side);
      const said = /^"(.*\S.*)"$/.exec(style.content);
      if (said) note(element, said[1], style.color, [element.getBoundingClientRect()]);
    }
  }
  everything.remove();
  return found;
}
