"""Training that wins accuracy back: one loop, and methods that are called at its places, one file each."""
