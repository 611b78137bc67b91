"""How a network that reads words is explained: by the vectors that its tables make of them.

Whole numbers have no gradient. The vectors [N, width, T] stand like a signal of many channels with T places,
so that a map has a number for each word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.network.forward import running_on
from compress_core.network.layers.word_tables import is_given, tables_reading
from compress_core.network.word_row import WordRow, word_row

JOINED = ", "
"""Between the names of several tables that read the same words."""
_SEED = 17


@dataclass(frozen=True)
class Noise:
    """Gaussian noise of this deviation on the vectors of words; seed and place tell that of an item."""

    deviation: float
    seed: int

    def on(self, first: int, shape: Sequence[int]) -> Tensor:
        """The noise of items [n, width, T], the first of which stands at a place."""
        drawn = [
            torch.randn(*shape[1:], generator=torch.Generator().manual_seed(self.seed + first + item))
            for item in range(shape[0])
        ]
        return self.deviation * torch.stack(drawn)


class WordReading:
    """Where a network reads the words of its rows [n, R], and what is put there instead.

    own: a copy of the network that is the caller's; tables: the names of what makes vectors of its words.
    """

    def __init__(self, own: nn.Module, row: WordRow, tables: Sequence[str]) -> None:
        self.own, self.row, self.tables = own, row, tuple(tables)
        self._instead: dict[str, Tensor] = {}
        self._added: dict[str, Tensor] = {}
        self._words = torch.empty(0)
        self._widths = [made.shape[2] for made in self._looked_up(torch.zeros(1, 1, dtype=torch.long))]
        for name in self.tables:
            own.get_submodule(name).register_forward_hook(self._in_place_of(name), with_kwargs=True)

    @property
    def place(self) -> str:
        """The names of the tables in one."""
        return JOINED.join(self.tables)

    def vectors(self, words: Tensor) -> Tensor:
        """What the tables make of words [n, T]: [n, width of all, T]."""
        self._instead, self._added = {}, {}
        return torch.cat(self._looked_up(words), dim=2).transpose(1, 2).contiguous()

    def scores(
        self, rows: Tensor, at: Tensor, *, instead: Tensor | None = None, added: Tensor | None = None
    ) -> Tensor:
        """The scores [n, C] of rows [n, R], with other vectors [n, width, T] or something added to theirs."""
        self._words = self.row.words(rows)
        self._instead, self._added = self._parts(instead), self._parts(added)
        return at_places(self.own(rows), at)

    @torch.no_grad()
    def _looked_up(self, words: Tensor) -> list[Tensor]:
        return [self.own.get_submodule(name)(words.long()) for name in self.tables]

    def _parts(self, vectors: Tensor | None) -> dict[str, Tensor]:
        if vectors is None:
            return {}
        parts = torch.split(vectors.transpose(1, 2), self._widths, dim=2)
        return dict(zip(self.tables, parts, strict=True))

    def _in_place_of(self, name: str) -> Callable[..., Tensor | None]:
        def answer(
            _module: nn.Module, given: tuple[object, ...], named: dict[str, object], made: Tensor
        ) -> Tensor | None:
            instead, added = self._instead.get(name), self._added.get(name)
            if (instead is None and added is None) or not is_given(self._words, given, named):
                return None
            return instead if added is None else made + added

        return answer


class FromVectors(nn.Module):
    """A network as a function of the vectors of its words [n, width, T], beside their rows [n, R]."""

    def __init__(self, reading: WordReading) -> None:
        super().__init__()
        self.reading = reading

    def forward(self, vectors: Tensor, rows: Tensor, at: Tensor) -> Tensor:
        """Scores [n, C]; vectors [n, width, T], rows [n, R], at [n]."""
        return self.reading.scores(rows, at, instead=vectors)


class FromWords(nn.Module):
    """A network as a function of its first words [n, t], with noise [n, width, T] on the vectors of all."""

    def __init__(self, reading: WordReading) -> None:
        super().__init__()
        self.reading = reading

    def forward(self, words: Tensor, rows: Tensor, at: Tensor, noise: Tensor | None = None) -> Tensor:
        """Scores [n, C]; words [n, t], rows [n, R], at [n], noise [n, width, T]."""
        return self.reading.scores(self.reading.row.with_words(rows, words), at, added=noise)


def at_places(answer: Tensor, at: Tensor) -> Tensor:
    """Scores [n, C]; where a network answers at each word [n, T, C], those at one place of each item [n].

    A number for each item [n] is a row of one.
    """
    if answer.ndim == 1:
        return answer.unsqueeze(1)
    return answer if answer.ndim != 3 else answer[torch.arange(len(answer)), at]


def reading_of(own: nn.Module, row: WordRow, rows: Tensor, known: str | None = None) -> WordReading:
    """Where a network reads the words of rows [N, R]; the caller owns the network.

    known: where the network reads them from which this one was made. Raises Refused where no table is given
    them as they stand.
    """
    names = [] if known is None else known.split(JOINED)
    there = {name for name, _ in own.named_modules()}
    if not names or not there.issuperset(names):
        names = list(_found(own, row, rows[:1]))
    if not names:
        raise no_table()
    return WordReading(own, row, names)


def _found(own: nn.Module, row: WordRow, one: Tensor) -> tuple[str, ...]:
    """Told by words drawn at random, since a row of equal numbers is like many others."""
    drawn = torch.randint(0, row.values, (1, row.length), generator=torch.Generator().manual_seed(_SEED))
    probe = row.with_words(one, drawn)
    with running_on(probe):
        return tables_reading(own, probe, row.words(probe))


def no_table() -> Refused:
    """Why a network of whole numbers cannot be explained."""
    return Refused(
        "This network takes whole numbers, but none of its embeddings reads them as they stand, so there are "
        "no vectors of words to explain it by: look the words up with nn.Embedding."
    )


def support_of_words(network: nn.Module, rows: Tensor) -> Tensor | None:
    """Which words of rows [N, R] are there, [N, T]; None where the items are no words."""
    row = word_row(network, rows)
    return None if row is None else row.there(rows)
