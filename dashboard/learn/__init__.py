"""The Learn page: lessons on real models, each one file that is found by itself."""
