"""The parts of the Tune page: rules for many layers, the layer table, one layer's sliders, the recipe."""
