"""How long a model takes, measured."""
