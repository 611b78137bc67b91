"""One training method a file."""
