"""A class on Learn: what its pupils predict and answer is gathered as long as it is held, and no longer."""
