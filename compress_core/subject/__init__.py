"""What is worked on: a trained network as loaded, its layers, its items."""
