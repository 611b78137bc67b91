"""The formats of items that are read, one file each; a new file is found without being listed anywhere."""
