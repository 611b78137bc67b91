"""What must shrink together, the smaller network, and the check that it computes the same."""
