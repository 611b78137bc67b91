"""What outlives the process: one folder with a SQLite file, and files named by their content beside it."""

from compress_core.foundation.workspace.workspace import Workspace, open_workspace

__all__ = ["Workspace", "open_workspace"]
