"""Sources of networks, one file each."""
