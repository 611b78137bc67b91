"""What people should know of how a file was read, on its way from the reader to the model. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compress_core.foundation.plain_json import text_as_json, text_from_json
from compress_core.foundation.texts import Phrase

_MOST_NAMED = 4


@dataclass(frozen=True)
class ReadingRemarks:
    """Phrases of one sentence each: summary says what was done, warnings what must be heeded."""

    summary: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __add__(self, other: ReadingRemarks) -> ReadingRemarks:
        return ReadingRemarks(self.summary + other.summary, self.warnings + other.warnings)

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.summary, *self.warnings)))

    def as_json(self) -> dict[str, Any]:
        """The remarks as another process reports them."""
        return {
            "summary": [text_as_json(said) for said in self.summary],
            "warnings": [text_as_json(said) for said in self.warnings],
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> ReadingRemarks:
        """The reverse of `as_json`."""
        return cls(tuple(map(text_from_json, said["summary"])), tuple(map(text_from_json, said["warnings"])))


@dataclass(frozen=True)
class FileRemarks:
    """The remarks on all files of a model, by what they hold: other items have others."""

    weights: ReadingRemarks = field(default_factory=ReadingRemarks)
    items: ReadingRemarks = field(default_factory=ReadingRemarks)
    training: ReadingRemarks = field(default_factory=ReadingRemarks)

    @property
    def together(self) -> ReadingRemarks:
        """Those of all files."""
        return self.weights + self.items + self.training

    def as_json(self) -> dict[str, Any]:
        """The remarks as another process is told of them."""
        return {
            "weights": self.weights.as_json(),
            "items": self.items.as_json(),
            "training": self.training.as_json(),
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> FileRemarks:
        """The reverse of `as_json`.

        An earlier release did not tell files apart: its remarks, those on items too, stay with the weights,
        whatever items come later.
        """
        if "weights" not in said:
            return cls(ReadingRemarks.from_json(said))
        return cls(*(ReadingRemarks.from_json(said[name]) for name in ("weights", "items", "training")))


def in_a_row(sentences: Iterable[str]) -> str:
    """Phrases one after the other, as one that can still be translated; empty ones are left out."""
    joined = ""
    for sentence in filter(None, sentences):
        joined = Phrase("{first} {second}", first=joined, second=sentence) if joined else sentence
    return joined


def some_of(names: Iterable[str]) -> str:
    """The first few names and how many more there are."""
    listed = list(names)
    first = ", ".join(listed[:_MOST_NAMED])
    if len(listed) <= _MOST_NAMED:
        return first
    return Phrase("{names} and {more} more", names=first, more=len(listed) - _MOST_NAMED)
