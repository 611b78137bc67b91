"""A table of layers of our own: choose, sort and search without asking the server, type into its cells."""
