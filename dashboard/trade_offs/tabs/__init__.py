"""The tabs of the Trade-offs page, one file each: a new file is found without being listed anywhere.

Each declares TITLE and ORDER as plain constants, and `draw(view, model)`, which runs while its tab is open.
"""
