"""A refusal on its way from one process to another: its template and its values, to be translated there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.foundation.plain_json import text_from_json
from compress_core.foundation.texts import Phrase


def refusal_as_json(refused: Refused) -> dict[str, Any]:
    """A refusal as a process reports it."""
    return {"text": refused.text, "values": {name: _plain(value) for name, value in refused.values.items()}}


def refusal_from_json(said: Mapping[str, Any]) -> Refused:
    """The refusal that a process reported."""
    return Refused(said["text"], **{name: text_from_json(value) for name, value in said["values"].items()})


def _plain(value: object) -> object:
    """Numbers and texts stay, for the formats of a template, and phrases can still be translated."""
    if isinstance(value, Phrase):
        return {
            "text": value.template,
            "values": {name: _plain(inner) for name, inner in value.values.items()},
        }
    return value if isinstance(value, str | int | float) else str(value)
