"""Long work in a process of its own: `python -m compress_core.worker job.json`."""
