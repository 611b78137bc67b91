"""The lessons, one file each: a new file is found without being listed anywhere.

Each declares LESSON, a `Lesson`; its texts stand in `N_`, so that the catalog holds them in every language.
"""
