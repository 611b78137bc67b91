"""What techniques and statistics ask for by name; a file registers itself and needs no entry anywhere."""
