"""Where the workspace lies: what SLIMSCOPE_WORKSPACE names, else a folder of the user."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

VARIABLE = "SLIMSCOPE_WORKSPACE"
NAME = "slimscope"


def named_folder(environment: Mapping[str, str]) -> Path | None:
    """The folder to use; None where the variable is set and empty: nothing goes to the disk.

    Raises RuntimeError where the user has no home.
    """
    named = environment.get(VARIABLE)
    if named is not None:
        return Path(named).expanduser().absolute() if named.strip() else None
    shared = environment.get("XDG_DATA_HOME", "")
    if shared and Path(shared).is_absolute():  # the standard: a relative one is ignored
        return Path(shared) / NAME
    return Path.home() / ".local" / "share" / NAME
