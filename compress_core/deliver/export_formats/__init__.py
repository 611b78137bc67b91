"""What a model can be written as, one file each; a new file is found without being listed anywhere."""
