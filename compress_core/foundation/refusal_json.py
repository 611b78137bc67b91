"""A refusal on its way from one process to another: its template and its values, to be translated there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compress_core.foundation.errors import Refused


def refusal_as_json(refused: Refused) -> dict[str, Any]:
    """A refusal as a process reports it."""
    return {"text": refused.text, "values": {name: _plain(value) for name, value in refused.values.items()}}


def refusal_from_json(said: Mapping[str, Any]) -> Refused:
    """The refusal that a process reported."""
    return Refused(said["text"], **said["values"])


def _plain(value: object) -> object:
    """Numbers and texts stay, for the formats of a template; everything else is shown as text."""
    return value if isinstance(value, str | int | float) else str(value)
