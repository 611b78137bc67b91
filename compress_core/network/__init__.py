"""How a network is seen: its layers, copies that share their weights, what runs through it."""
