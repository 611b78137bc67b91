"""One technique a file; a file registers itself and needs no entry anywhere."""
