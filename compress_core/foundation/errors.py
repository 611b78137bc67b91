"""The one error a visitor may cause and must understand."""

from __future__ import annotations

import reprlib


class Refused(ValueError):
    """Something the user asked for cannot be done, said in one sentence.

    The sentence tells what was wrong, what it must be, what was got and what to do. It is kept
    as a template with its values, so that a page can show it in the visitor's language.
    """

    def __init__(self, text: str, **values: object) -> None:
        self.text = text
        self.values = values
        super().__init__(text.format(**values))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.text, self.values)


def _rebuild(text: str, values: dict[str, object]) -> Refused:
    return Refused(text, **values)


class _Short(reprlib.Repr):
    """A short text of anything; numbers of more digits than Python writes out as well."""

    def repr_int(self, x: int, level: int) -> str:
        """The number, or only how long it is."""
        return super().repr_int(x, level) if x.bit_length() <= _MOST_BITS else "a number of very many digits"


_MOST_BITS = 10_000
_SHORT = _Short()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict, _SHORT.maxstring = 2, 4, 4, 60


def shortened(value: object) -> str:
    """A value from a file as an error shows it: a few aliases in YAML can stand for a gigabyte."""
    return _SHORT.repr(value)
