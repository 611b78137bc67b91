"""Words, values and keys that everything else stands on."""
