"""What can run a network, one file each; a new file is found without being listed anywhere.

A room of its own above `deliver`: a runtime may need a file that is written for it.
"""
