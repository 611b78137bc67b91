"""What the page Recover is made of."""
