"""The parts of the page Deploy: files, bytes, milliseconds, energy, and where a recipe helps."""
