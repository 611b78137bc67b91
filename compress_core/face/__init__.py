"""The public face: one function for each thing a person does, the same in notebook, shell and page."""
