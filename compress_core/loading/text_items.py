"""Texts with their labels, as people have them: JSON lines, or a list. A tokenizer makes items of them.

Needs no torch.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.strict_json import strictly_read
from compress_core.foundation.texts import Phrase
from compress_core.loading.stored import shown
from compress_core.loading.text_encoding import refuse_utf_16

Label = str | int | float | tuple[int | float, ...]
"""The name of a class, a number, or where several are judged a number for each."""
TEXT_FILES = (".jsonl", ".ndjson")
TABLE = ".csv"
"""For a network of words; for any other a table of numbers ends so."""
_MOST_DIGITS = 9
_REAL = re.compile(r"[+-]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})([eE][+-]?\d{1,2})?", re.ASCII)
MOST_TEXTS = 200_000
MOST_CHARACTERS = 100_000
"""Of one text; what a network reads of it is far less."""
_TEXT, _PAIR, _LABEL = ("text", "sentence", "sentence1"), ("text_pair", "sentence2"), ("label", "labels")


@dataclass(frozen=True)
class TextItems:
    """Texts in their order, a second one to each where they come in pairs, and what they are labeled as.

    labels: names of classes or their numbers from 0, one for each text, or lists of numbers where several
    are judged; None where they are not known. lines: of the file, in which each text stands or ends; None
    where they came as a list.
    """

    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None = None
    labels: tuple[Label, ...] | None = None
    lines: tuple[int, ...] | None = None


def text_at(place: int, lines: Sequence[int] | None) -> Phrase:
    """Which text a sentence speaks of: by its line in the file, or by its number in a list."""
    if lines is None:
        return Phrase("text {place}, counted from 0,", place=place)
    return Phrase("the text in line {line}", line=lines[place])


def text_items(texts: Sequence[object], labels: Sequence[object] | None) -> TextItems:
    """Texts from memory; raises Refused where one of them is none."""
    for place, text in enumerate(texts):
        if isinstance(text, str):
            _refuse_half_character(text, text_at(place, None))
        if not isinstance(text, str) or not text.strip():
            raise Refused(
                "Item {place}, counted from 0, is {got}: every item must be a text with something in it.",
                place=place,
                got=shortened(text),
            )
    _check_size(len(texts), max(map(len, map(str, texts)), default=0))
    if labels is None:
        return TextItems(tuple(map(str, texts)))
    if len(labels) != len(texts):
        raise Refused(
            "There are {labels:,} labels for {texts:,} texts: give one for each.",
            labels=len(labels),
            texts=len(texts),
        )
    return TextItems(
        tuple(map(str, texts)),
        None,
        tuple(_label(value, text_at(place, None)) for place, value in enumerate(labels)),
    )


def texts_in_lines(content: bytes, name: str) -> TextItems:
    """Texts of a file of JSON lines, an object each with text and, where it is known, label.

    Raises Refused, and nothing else, whatever the bytes are.
    """
    _refuse_no_text(content, name)
    _check_size(max(1, content.count(b"\n") // 2), 0)  # of very many lines no object is made
    rows = {
        number: _object(line, number, name)
        for number, line in enumerate(content.split(b"\n"), start=1)
        if line.strip()
    }
    return _texts_of(rows, name)


def _refuse_no_text(content: bytes, name: str) -> None:
    """Refuse a file without anything in it, and one that is no UTF-8 by how it begins."""
    if not content.strip():
        raise Refused(
            "{file} is empty ({got:,} bytes): write a text with its label on each line.",
            file=shown(name),
            got=len(content),
        )
    refuse_utf_16(content, name)


def _texts_of(rows: dict[int, dict[str, Any]], name: str) -> TextItems:
    """Texts of the rows of a file, by their lines."""
    _check_size(len(rows), 0)
    lines = tuple(rows)
    texts = [_text(row, line, _TEXT) for line, row in rows.items()]
    has_pairs = any(key in row for row in rows.values() for key in _PAIR)
    pairs = [_text(row, line, _PAIR) for line, row in rows.items()] if has_pairs else None
    found = [next((row[key] for key in _LABEL if row.get(key) is not None), None) for row in rows.values()]
    if any(label is not None for label in found) and any(label is None for label in found):
        raise Refused(
            "Line {line} of {file} has no label, and others have one: label every text, or none.",
            line=lines[found.index(None)],
            file=shown(name),
        )
    if found[0] is None:
        return TextItems(tuple(texts), None if pairs is None else tuple(pairs), None, lines)
    labels = tuple(_label(value, text_at(place, lines)) for place, value in enumerate(found))
    return TextItems(tuple(texts), None if pairs is None else tuple(pairs), labels, lines)


def texts_in_table(content: bytes, name: str) -> TextItems:
    """Texts of a CSV file with a head that names its columns as `texts_in_lines` calls them.

    Raises Refused, and nothing else, whatever the bytes are.
    """
    _refuse_no_text(content, name)
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True, restval=None)
        head = [column or "" for column in rows.fieldnames or ()]
        found = [(rows.line_num, dict(row)) for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(
            "{file} is no table of texts in UTF-8 ({reason}): save it as CSV, or as JSON lines.",
            file=shown(name),
            reason=shown(str(error)),
        ) from None
    if not set(_TEXT) & set(head):
        raise Refused(
            "{file} has the columns {got}; one must be called {known}, and the labels label.",
            file=shown(name),
            got=shortened(head),
            known=" or ".join(_TEXT),
        )
    said = {line: {key: _number_or_name(row, key) for key in row if key} for line, row in found}
    return _texts_of(said, name)


def _number_or_name(row: dict[str, Any], column: str) -> object:
    """A cell: of a label its number where it is one, or nothing."""
    value = row[column]
    if column not in _LABEL:
        return value
    return None if not value else int(value) if value.isdecimal() and len(value) < _MOST_DIGITS else value


def number_of_text(label: str) -> str | int | float:
    """The number that a label is written as; any other label is itself."""
    if label.isascii() and label.isdecimal() and len(label) < _MOST_DIGITS:
        return int(label)
    return float(label) if _REAL.fullmatch(label) else label


def texts_in(content: bytes, name: str) -> TextItems:
    """Texts of a file of either kind, by its name; raises Refused."""
    return (texts_in_table if name.endswith(TABLE) else texts_in_lines)(content, name)


def refuse_texts(model: str) -> Refused:
    """Why texts are no items of a model that has no tokenizer."""
    return Refused(
        "{model} reads no text: texts are for the folder of a network with its tokenizer, as save_pretrained "
        "writes it. Give arrays instead.",
        model=shown(model),
    )


def _object(line: bytes, number: int, name: str) -> dict[str, Any]:
    try:
        found = strictly_read(line)
    except ValueError as error:
        raise Refused(
            "Line {line} of {file} is no JSON ({reason}): write one object a line, such as "
            '{{"text": "...", "label": "..."}}.',
            line=number,
            file=shown(name),
            reason=shown(str(error)),
        ) from None
    if not isinstance(found, dict):
        raise Refused(
            "Line {line} of {file} is {got}: write one object a line, with text and label.",
            line=number,
            file=shown(name),
            got=shortened(found),
        )
    return found


def _text(row: dict[str, Any], line: int, names: tuple[str, ...]) -> str:
    found = next((row[name] for name in names if name in row), None)
    if not isinstance(found, str) or not found.strip():
        raise Refused(
            "Line {line} has {got} as its {name}: every line must have a text with something in it.",
            line=line,
            got=shortened(found),
            name=names[0],
        )
    _check_size(1, len(found))
    _refuse_half_character(found, text_at(0, [line]))
    return found


def _refuse_half_character(text: str, called: Phrase) -> None:
    """Refuse a text that cannot be written down: half of a pair of surrogates stands for no character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Refused(
            "At place {place} of {item} stands {got}, half of a pair that is no character alone: save the "
            "texts in UTF-8, or leave it out.",
            place=error.start + 1,
            item=called,
            got=f"U+{ord(text[error.start]):04X}",
        ) from None


def _label(value: object, text: Phrase) -> Label:
    number = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(number, list | tuple):
        return _several(number, text)
    if isinstance(number, bool):
        return int(number)
    if not isinstance(number, str | int | float):
        raise Refused(
            "The label of {item} is {got}: it must be the name of a class, a number, or a list of numbers.",
            item=text,
            got=shortened(value),
        )
    return number


def _several(values: Sequence[object], text: Phrase) -> tuple[int | float, ...]:
    """A number for each of several labels of one text; what is true is 1."""
    numbers = tuple(int(v) if isinstance(v, bool) else v for v in values if isinstance(v, int | float))
    if not numbers or len(numbers) != len(values):
        raise Refused(
            "The label of {item} is {got}: a list must hold numbers, one for each label.",
            item=text,
            got=shortened(list(values)),
        )
    return numbers


def _check_size(texts: int, characters: int) -> None:
    if not 1 <= texts <= MOST_TEXTS or characters > MOST_CHARACTERS:
        raise Refused(
            "There must be 1 to {most:,} texts of at most {signs:,} characters each: give fewer, or shorter "
            "ones.",
            most=MOST_TEXTS,
            signs=MOST_CHARACTERS,
        )
