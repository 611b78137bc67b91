"""The parts of the page Review: gates, the look at test items, the verdict, the evidence, the decision."""
