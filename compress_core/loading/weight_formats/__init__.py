"""The formats of weights that are read, one file each; a new file is found without being listed anywhere."""
