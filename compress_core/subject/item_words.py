"""An item of words as people read it: the words where a vocabulary is known, else their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor

from compress_core.foundation.printable import printable
from compress_core.network.word_row import WordRow, word_row_of
from compress_core.subject.input_form import InputForm

MOST_SAID = 400
LONGEST = 40
"""Signs of an item and of one word that are shown at most."""
_MARKS: Mapping[str, str] = MappingProxyType({" ": "␣", "\n": "↵", "\t": "⇥"})


@dataclass(frozen=True)
class ItemWords:
    """The words of an item that are there, in their order, and at which places of the sequence they stand.

    A text that begins with a space begins a word; the others go on with the one before. line: all of them
    as they are read.
    """

    texts: tuple[str, ...]
    places: tuple[int, ...]
    line: str

    @property
    def said(self) -> str:
        """All of them in one line, cut off where there are very many."""
        line = self.line.strip()
        return line if len(line) <= MOST_SAID else f"{line[:MOST_SAID]}…"


def row_of_words(form: InputForm) -> WordRow | None:
    """Where items of a form hold words; None where they are no text."""
    return word_row_of(form.fields, form.shape[0]) if form.is_text and form.fields else None


def item_words(form: InputForm, item: Tensor) -> ItemWords:
    """The words of one item [R] of a form."""
    rows = item.reshape(1, -1).long()
    row = row_of_words(form)
    if row is None:
        texts = tuple(f" {number}" for number in rows[0].tolist())
        return ItemWords(texts, tuple(range(rows.shape[1])), "".join(texts))
    places = row.there(rows)[0].nonzero().flatten().tolist()
    numbers = row.words(rows)[0][places].tolist()
    texts = tuple(word_of(form.words, number) for number in numbers)
    spaced = (
        " " if _is_space(form.words, number) else text for number, text in zip(numbers, texts, strict=True)
    )
    return ItemWords(texts, tuple(places), "".join(spaced))


def word_of(words: Sequence[str], number: int) -> str:
    """The word of that number, with a space before it where it begins one; the number where none is known.

    A word of nothing but space is written as visible marks.
    """
    known = words[number] if number < len(words) else ""
    if not known:
        return f" {number}"
    if known.isspace():
        return "".join(_MARKS.get(sign, repr(sign)[1:-1]) for sign in known)
    shown = printable(known)[:LONGEST]
    return shown if known[:1] != " " or shown[:1] == " " else f" {shown}"


def _is_space(words: Sequence[str], number: int) -> bool:
    return number < len(words) and words[number].isspace()
