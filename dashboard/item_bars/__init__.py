"""How sure both models are of one item: bars that follow a knob while it moves."""
