"""A recipe: which techniques, with which knobs, on which layers. Frozen data with a canonical form."""
