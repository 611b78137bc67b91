"""Folders as the Hugging Face libraries write them: what stands in one, and how it becomes a subject."""
