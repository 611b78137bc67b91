"""Long work in a process of its own: `python -m compress_core.jobs job.json`."""
