"""What the Start page is made of: the demo, the doors, the sample models, one's own model, recent work."""
