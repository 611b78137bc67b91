"""How fast the sliders are, beside what one would use without us. `python -m benchmarks` prints the table."""
