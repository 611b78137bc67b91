// While a knob stands elsewhere than the server knows, what the page says beside it is of the recipe before. The root
// of the document carries that, and page_style.css marks what it is true of with the visitor's word for it. A page is
// drawn from its top, so that the header may be of the new recipe while the sliders are not yet: it is marked from
// each movement until it names another recipe. Tables and sliders do the same, who hear of every movement. Where a
// knob was moved before an earlier movement, its own or another knob's, was answered, another recipe may be that of the
// earlier one: its own answer decides. A knob of a lesson moves nothing of the visitor's model.
const RECIPE = ".st-key-slimscope_recipe strong";
const knobsElsewhere = new Set();
const headerNamesAnother = new MutationObserver(hearHeader);
let recipeBefore = null;

function knobStands(knob, isWhereItWas, word) {
  const isMoved = !isWhereItWas && knob.value !== knob.stoodAt;
  knob.stoodAt = isWhereItWas ? null : knob.value;
  knobsElsewhere[isWhereItWas ? "delete" : "add"](knob);
  if (isMoved && [...knobsElsewhere].some((each) => each.sent !== null)) knob.isTwice = true;
  if (isWhereItWas) knob.isTwice = false;
  const root = document.documentElement;
  root.toggleAttribute("data-knob-elsewhere", knobsElsewhere.size > 0);
  if (word) root.style.setProperty("--word-for-stale", JSON.stringify(` \u00B7 ${word}`));
  if (isMoved && knob.data.moves) markHeader(true);
  else if (knobsElsewhere.size === 0) markHeader(false);
  const { value, isTwice, isGone, data: { id, moves } } = knob;
  const detail = { id, value, isElsewhere: !isWhereItWas, isMoved, isTwice, isGone, moves };
  document.dispatchEvent(new CustomEvent("slimscope-knob", { detail }));
}

function markHeader(isBehind) {
  document.documentElement.toggleAttribute("data-header-behind", isBehind);
  headerNamesAnother.disconnect();
  if (!isBehind) return;
  recipeBefore = readRecipe();
  const header = document.querySelector(".st-key-slimscope_header");
  if (header) headerNamesAnother.observe(header, { subtree: true, childList: true, characterData: true });
}

// While it is drawn anew it names none.
function hearHeader() {
  const isAnother = ![undefined, recipeBefore].includes(readRecipe());
  if (isAnother && ![...knobsElsewhere].some((knob) => knob.isTwice)) markHeader(false);
}

function readRecipe() {
  return document.querySelector(RECIPE)?.textContent;
}
