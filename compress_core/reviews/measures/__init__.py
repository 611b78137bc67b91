"""What gates can ask for beside the metrics, one file each; a new file is found by itself."""
