// The knobs that were moved since something was drawn: what they move is there of the recipe before.
class MovedKnobs {
  constructor() {
    this.recipe = undefined;
    this.moved = new Map(); // id to what the knob moves, and whether it was moved again before it was answered
  }

  // A knob that was moved from this very recipe is not in it, and one that was moved twice need not be.
  drawnOf(recipe) {
    if (recipe === this.recipe) return;
    this.recipe = recipe;
    for (const [id, { moves, isTwice }] of this.moved) {
      if (!isTwice && moves.recipe !== recipe) this.moved.delete(id);
    }
  }

  // Where it was: given back, or drawn of a recipe of which the rest is not drawn yet, which then clears it.
  hear({ id, isElsewhere, isMoved, isTwice, isGone, moves }) {
    const known = this.moved.get(id);
    if (isElsewhere) {
      if (isMoved && moves) this.moved.set(id, { moves, isTwice });
    } else if (isGone || moves?.recipe === this.recipe) this.moved.delete(id);
    else if (known) known.isTwice = false;
  }

  all() {
    return [...this.moved.values()].map(({ moves }) => moves);
  }
}
