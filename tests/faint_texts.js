// Texts of a page whose contrast to what lies behind them is below 4.5 to 1 (WCAG 2.2, 1.4.3). Left out: what is
// drawn in a chart, icons beside a name, what is disabled, hidden or scrolled away.
() => {
  const pencil = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const drawing = pencil.getContext("2d", { willReadFrequently: true });
  const channels = (color) => {
    drawing.clearRect(0, 0, 1, 1);
    drawing.fillStyle = color;
    drawing.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = drawing.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, ground) => [0, 1, 2].map((i) => top[i] * top[3] + ground[i] * (1 - top[3]));
  const luminance = (color) => {
    const linear = color.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (element) => {
    const around = [];
    for (let parent = element; parent; parent = parent.parentElement) around.push(getComputedStyle(parent));
    const ground = around.map((style) => channels(style.backgroundColor)).reduceRight((below, top) => over(top, below), [255, 255, 255]);
    const text = channels(around[0].color);
    text[3] *= around.reduce((product, style) => product * parseFloat(style.opacity), 1);
    const [darker, lighter] = [luminance(over(text, ground)), luminance(ground)].sort((a, b) => a - b);
    return (lighter + 0.05) / (darker + 0.05);
  };
  const skipped = "svg, script, style, noscript, [data-testid=stIconMaterial], [data-testid=stSlider], [data-testid=stStatusWidget], :disabled, [aria-disabled=true]";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const below = [];
  let looked_at = 0;
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element || element.closest(skipped)) continue;
    const box = element.getBoundingClientRect();
    if (box.width < 2 || box.height < 2 || getComputedStyle(element).visibility === "hidden") continue;
    looked_at += 1;
    const ratio = contrast(element);
    if (ratio < 4.5) below.push(`${ratio.toFixed(2)} ${text.slice(0, 40)}`);
  }
  return { looked_at, below };
}
