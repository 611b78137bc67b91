"""Small trained networks to try Slimscope on, each with its card, weights and the script that trained it."""
