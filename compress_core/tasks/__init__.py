"""ONE FILE EACH: how a generator of the core becomes a job. A file here is found, nothing else is edited."""
