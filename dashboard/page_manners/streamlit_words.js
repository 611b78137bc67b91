// Streamlit says a few words by itself, in English: where they stand they are said in the visitor's language. Only
// texts change, never elements, and each is remembered as it was, for a visitor who changes the language.
const SAYS_BY_ITSELF = ["stSkipToContent", "stFileUploaderDropzone"].map((name) => `[data-testid="${name}"]`).join(",");
const asWritten = new WeakMap();

function sayIn(words, signal) {
  const say = () => {
    for (const place of document.querySelectorAll(SAYS_BY_ITSELF)) translate(place, words);
  };
  let asked = 0;
  const watch = new MutationObserver(() => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(say);
  });
  watch.observe(document.body, { childList: true, subtree: true });
  signal.addEventListener("abort", () => watch.disconnect());
  say();
}

function translate(place, words) {
  const texts = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    if (!asWritten.has(text)) asWritten.set(text, text.nodeValue);
    const written = asWritten.get(text);
    const english = Object.keys(words).find((word) => written === word || written.endsWith(` ${word}`));
    if (!english) continue;
    const said = written.slice(0, written.length - english.length) + words[english];
    if (text.nodeValue !== said) text.nodeValue = said;
  }
}
