"""A slider whose readouts and threshold line move during the drag, without asking the server."""
