"""Which weights or channels stay: scope, pattern, exact count, for every criterion."""
