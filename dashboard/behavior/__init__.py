"""The parts of the Behavior page."""
