"""What a knob would do at each of its places, and what is left in a layer: rows for a page."""
