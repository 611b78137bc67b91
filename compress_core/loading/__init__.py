"""Files, registries and code of a visitor become a subject, or one sentence that says why not."""
