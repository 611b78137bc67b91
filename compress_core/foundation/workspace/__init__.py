"""What outlives the process: one folder with a SQLite file, and files named by their content beside it."""
