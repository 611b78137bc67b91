// While a knob stands elsewhere than the server knows, what the page says beside it is of the recipe before. The root
// of the document carries that, and page_style.css marks what it is true of with the visitor's word for it.
const knobsElsewhere = new Set();

function knobStands(knob, isWhereItWas, word) {
  knobsElsewhere[isWhereItWas ? "delete" : "add"](knob);
  const detail = { id: knob.data.id, value: knob.value, isElsewhere: !isWhereItWas };
  document.dispatchEvent(new CustomEvent("slimscope-knob", { detail }));
  const root = document.documentElement;
  root.toggleAttribute("data-knob-elsewhere", knobsElsewhere.size > 0);
  if (word) root.style.setProperty("--word-for-stale", JSON.stringify(` \u00B7 ${word}`));
}
