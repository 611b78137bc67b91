"""Where the words of an item stand in its row, and which of them are there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from compress_core.network.input_field import InputField
from compress_core.network.layers.vocabulary import words_known
from compress_core.network.named_inputs import border_of

WORDS = "input_ids"
_MASK = "mask"


@dataclass(frozen=True)
class WordRow:
    """How items of whole numbers [N, R] hold the words of a sequence.

    Words are the numbers from start on, as many as length; mask: where the row begins to tell which of them
    are there, None where it does not; blank: the number that stands for no word; cover: the one that hides a
    word; values: how many words there are, from 0, as far as it is known.
    """

    start: int
    length: int
    mask: int | None = None
    blank: int = 0
    cover: int = 0
    values: int = 2

    def words(self, rows: Tensor) -> Tensor:
        """The words of items [N, length]."""
        return rows[:, self.start : self.start + self.length]

    def with_words(self, rows: Tensor, words: Tensor) -> Tensor:
        """The same items with other words [N, n] in the place of the first ones."""
        before, after = rows[:, : self.start], rows[:, self.start + words.shape[1] :]
        return torch.cat([before, words.to(rows.dtype), after], dim=1)

    def there(self, rows: Tensor) -> Tensor:
        """Which words are there, [N, length]: the mask lets them be seen, and they are not the blank one."""
        found = self.words(rows) != self.blank
        return found if self.mask is None else found & (rows[:, self.mask : self.mask + self.length] != 0)

    def last(self, rows: Tensor) -> Tensor:
        """The place of the last word that is there, [N]; the first place where none is."""
        places = torch.arange(self.length).expand(len(rows), -1)
        return torch.where(self.there(rows), places, 0).amax(dim=1)


def word_row_of(fields: tuple[InputField, ...], length: int) -> WordRow | None:
    """Where rows of these fields hold words; None where no field is a sequence of whole numbers.

    length is that of a row, for a network that takes nothing but words.
    """
    if not fields or not fields[0].name:
        only = fields[0] if fields else InputField("", (length,), "whole", values=0)
        return _row(only, 0, None)
    sequences = [field for field in fields if field.kind == "whole" and len(field.shape) == 1]
    spoken = [field for field in sequences if _MASK not in field.name]
    if not spoken:
        return None
    chosen = max(spoken, key=lambda field: (field.name == WORDS, field.values))
    starts = _starts(fields)
    masks = [field for field in fields if _MASK in field.name and field.shape == chosen.shape]
    return _row(chosen, starts[chosen.name], starts[masks[0].name] if masks else None)


def _row(field: InputField, start: int, mask: int | None) -> WordRow:
    cover = field.blank if field.cover is None else field.cover
    return WordRow(start, field.width, mask, field.blank, cover, field.values)


def word_row(network: nn.Module, rows: Tensor) -> WordRow | None:
    """Where a network reads words in items [N, R] of whole numbers; None where it reads none."""
    if rows.is_floating_point() or rows.ndim != 2:
        return None
    border = border_of(network)
    row = word_row_of(() if border is None else border.fields, rows.shape[1])
    if row is None or row.values > 0:
        return row
    return replace(row, values=words_known(network) or int(rows.max()) + 1)


def _starts(fields: tuple[InputField, ...]) -> dict[str, int]:
    starts, place = {}, 0
    for field in fields:
        starts[field.name] = place
        place += field.width
    return starts
