"""Texts and numbers of the core as plain JSON, such that a page can still translate them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compress_core.foundation.number import Number
from compress_core.foundation.texts import Phrase


def text_as_json(text: object) -> Any:
    """A phrase as its template and values; what is no phrase stays."""
    if not isinstance(text, Phrase):
        return text
    return {"text": text.template, "values": {k: text_as_json(v) for k, v in text.values.items()}}


def text_from_json(said: Any) -> Any:
    """The reverse of `text_as_json`."""
    if not isinstance(said, Mapping):
        return said
    return Phrase(said["text"], **{k: text_from_json(v) for k, v in said["values"].items()})


def number_as_json(number: Number) -> dict[str, Any]:
    """A number whose texts can be translated."""
    return {name: text_as_json(said) for name, said in number.as_json().items()}


def number_from_json(said: Mapping[str, Any]) -> Number:
    """The reverse of `number_as_json`."""
    return Number(**{name: text_from_json(value) for name, value in said.items()})
