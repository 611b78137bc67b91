"""Which weights of the rows and columns that hold anything are not zero: a flag each.

A flag is predicted from the flags around it, and from what its row and its column together lead to expect.
A column is written in pieces, so that its later ones know how full the earlier were; a small matrix in more
pieces than a large one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress_core.deliver.packing.coder import Coder, Ints
from compress_core.deliver.packing.living_lines import KNOWN
from compress_core.deliver.packing.logistic import mixer_of_few
from compress_core.deliver.packing.neighbors import Around, Columns
from compress_core.foundation.machine_code import compiled

_ALL = 2**16
# Ends of cells, in 65536ths: three to a doubling.
_BELOW = (
    40,
    50,
    64,
    80,
    101,
    128,
    161,
    203,
    256,
    322,
    406,
    512,
    645,
    812,
    1024,
    1290,
    1625,
    2048,
    2580,
    3250,
)
_ABOVE = (4096, 5160, 6501, 8192, 10321, 13003, 16384, 20642, 26007, 32768, 41285, 52015)
_ENDS = np.array((*_BELOW, *_ABOVE))
_MIDDLES = np.array([32, *(_ENDS[:-1] + _ENDS[1:]) >> 1, 58982])
CELLS = len(_MIDDLES)
_COMPANY = 8
_SHORTEST_PIECE, _PIECES = 16, 2048
_OF_ROW, _OF_COLUMN = 4, 8  # weights of the mean sort that stand behind the share of a row, of a column


@dataclass(frozen=True)
class Living:
    """The columns [steps] and rows [lines] of a matrix that hold anything, and what is known beforehand.

    known: of each column of the matrix; cell: in which the share of weights beside zero lies; stride: how
    far from a column the other one lies that resembles it.
    """

    steps: Ints
    lines: Ints
    known: Ints
    cell: int
    stride: int

    def pieces(self) -> list[slice]:
        """Where in the rows each piece of a column lies."""
        length = max(_SHORTEST_PIECE, -(-len(self.steps) * len(self.lines) // _PIECES))
        return [slice(at, at + length) for at in range(0, len(self.lines), length)]


def cell_of(shares: Ints) -> Ints:
    """Which cells the shares [n] out of 65536 lie in."""
    return np.searchsorted(_ENDS, shares, side="right")


def code_living_weights(coder: Coder, columns: int, living: Living, truth: Columns | None) -> Columns:
    """Write or read flags [columns, lines] uint8 of the rows that hold anything, 0 in all other columns."""
    width, share = len(living.lines), int(_MIDDLES[living.cell])
    around = Around(np.zeros((columns, width), dtype=np.uint8), living.stride)
    mixer = mixer_of_few((128, CELLS * _COMPANY, CELLS, CELLS * KNOWN), _beforehand(share))
    in_line = np.zeros(width, dtype=np.int64)
    pieces = living.pieces()
    for done, step in enumerate(living.steps):
        in_step = seen = 0
        known = None if truth is None else truth[step].astype(np.int64)
        of_row = ((in_line << 16) + _OF_ROW * share) // (done + _OF_ROW)
        contexts = _contexts(around.all, around.place(step), living.stride, of_row, _ENDS)
        for piece in pieces:
            of_column = ((in_step << 16) + _OF_COLUMN * share) // (seen + _OF_COLUMN)
            _expect(contexts, piece.start, piece.stop, of_row, of_column, share, living.known[step], _ENDS)
            flags = mixer.code(coder, contexts[:, piece], None if known is None else known[piece])
            around.at(step)[piece] = flags
            in_line[piece] += flags
            in_step += int(flags.sum())
            seen += len(flags)
    return around.inside()


def _beforehand(share: int) -> Ints:
    """What each context expects before anything was seen, out of 4096: what it says of row and column."""
    mean = np.full(128 + CELLS * _COMPANY, share >> 4, dtype=np.int64)
    return np.concatenate([mean, _MIDDLES >> 4, np.full(CELLS * KNOWN, share >> 4, dtype=np.int64)])


@compiled
def _contexts(around: NDArray[np.uint8], here: int, stride: int, of_row: Ints, ends: Ints) -> Ints:
    """[4, lines]: flags around; the row beside their number; room for row with column, and for the column.

    around [., lines] with margins; here: the row of it that is written; of_row [lines]: shares expected.
    """
    found = np.empty((4, len(of_row)), dtype=np.int64)
    for line in range(len(of_row)):
        flags = count = 0
        for bit, distance in enumerate((1, stride, stride + 1, stride - 1, 2, stride + 2, stride - 2)):
            flag = int(around[here - distance, line])
            flags += flag << bit
            count += flag
        found[0, line] = flags
        found[1, line] = np.searchsorted(ends, of_row[line], side="right") * _COMPANY + count
    return found


@compiled
def _expect(
    contexts: Ints,
    start: int,
    stop: int,
    of_row: Ints,
    of_column: int,
    share: int,
    known: int,
    ends: Ints,
) -> None:
    """Fill in what row and column together, and the column alone, lead to expect of a piece of [4, lines]."""
    alone = np.searchsorted(ends, of_column, side="right") * KNOWN + known
    for line in range(start, min(stop, len(of_row))):
        contexts[2, line] = np.searchsorted(ends, of_row[line] * of_column // share, side="right")
        contexts[3, line] = alone
