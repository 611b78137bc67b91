"""The best few levels for many weights: k-means in one dimension, where sorting makes it a look-up.

A cluster is an interval of the sorted weights, so that its mean is a difference of running sums. The
first intervals are the best ones that end at the edges of some hundred cells (dynamic programming,
as in Wang and Song 2011, Ckmeans.1d.dp); Lloyd's steps then settle them among all weights. The cells
hold equal shares of the cube root of the density, which is best for many levels (Panter and Dite
1951). Where the program would take too long (many levels or many rows), so do the first intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_STRETCHES = (1.7, 1.0)  # Lloyd's steps are first made longer, which saves half of them
_ROUNDS = 25  # steps of each kind at most
_TRIALS = 2**19  # additions that the dynamic program may take
_FINE = 2048  # cells in which the density is estimated
_EXACT = 512  # up to so many weights in one row the intervals are the best of all


@dataclass(frozen=True)
class Ordered:
    """The kept weights of each row, ascending; +inf stands behind them where rows differ.

    ascending [rows, n] float32, sums [rows, n + 1] float64 of the first i, counts and distinct [rows, 1].
    """

    ascending: Tensor
    sums: Tensor
    counts: Tensor
    distinct: Tensor

    def at(self, positions: Tensor) -> Tensor:
        """The weights at positions [rows, p], the last one where a row is shorter; 0 in an empty row."""
        inside = torch.minimum(positions, self.counts - 1).clamp_min(0)
        return torch.where(self.counts > 0, self.ascending.gather(1, inside), 0.0)


def ordered(weight: Tensor, mask: Tensor) -> Ordered:
    """Sort the kept weights of each row; weight, mask [rows, n]."""
    counts = mask.count_nonzero(dim=1).unsqueeze(1)
    values = np.where(mask.numpy(), weight.numpy(), np.float32(np.inf))
    values.sort(axis=1)  # numpy sorts with vector instructions, torch does not
    values = np.ascontiguousarray(values[:, : max(1, int(counts.max()))])
    inside = np.arange(values.shape[1]) < counts.numpy()
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(np.where(inside, values, 0.0), axis=1, dtype=np.float64, out=sums[:, 1:])
    rises = (values[:, 1:] > values[:, :-1]) & inside[:, 1:]
    distinct = rises.sum(axis=1, keepdims=True) + (counts.numpy() > 0)
    return Ordered(torch.from_numpy(values), torch.from_numpy(sums), counts, torch.from_numpy(distinct))


def fit_codebook(rows: Ordered, count: int) -> Tensor:
    """At most `count` levels for each row, ascending [rows, L]: the mean of the weights nearest to each.

    A row with no more distinct weights than that gets these weights themselves.
    """
    count = max(1, min(count, int(rows.distinct.max())))
    levels = _settled(rows, _first_ends(rows, count))
    for row in torch.nonzero(rows.distinct[:, 0] <= count)[:, 0].tolist():
        own = torch.unique(rows.ascending[row, : int(rows.counts[row])])
        levels[row] = torch.cat([own, (own[-1:] if len(own) else own.new_zeros(1)).expand(count - len(own))])
    return levels


def _settled(rows: Ordered, ends: Tensor) -> Tensor:
    """Lloyd's steps from intervals that end before positions `ends` [rows, count - 1]."""
    for stretch in _STRETCHES:
        levels = _means(rows, ends)
        for _ in range(_ROUNDS):
            middles = (levels[:, 1:] + levels[:, :-1]).div_(2).float()
            nearest = torch.minimum(torch.searchsorted(rows.ascending, middles, right=True), rows.counts)
            if torch.equal(nearest, ends):
                break
            ends = nearest
            levels = torch.cummax(torch.lerp(levels, _means(rows, ends), stretch), dim=1).values
    edges = torch.cat([torch.zeros_like(rows.counts), ends, rows.counts], dim=1)
    first, last = rows.at(edges[:, :-1]), rows.at(edges[:, 1:] - 1)
    # sums of weights of very different size are inexact: a mean lies among its weights all the same
    return torch.maximum(torch.minimum(_means(rows, ends).float(), torch.maximum(first, last)), first)


def _means(rows: Ordered, ends: Tensor) -> Tensor:
    """The mean of each interval [rows, count] float64; an empty one moves to the next weight."""
    edges = torch.cat([torch.zeros_like(rows.counts), ends, rows.counts], dim=1)
    means = rows.sums.gather(1, edges).diff(dim=1).div_(edges.diff(dim=1))
    empty = means.isnan()
    if bool(empty.any()):
        means = torch.where(empty, rows.at(edges[:, :-1]).double(), means)
    return means


def _first_ends(rows: Ordered, count: int) -> Tensor:
    """Where the intervals end at first, positions [rows, count - 1]."""
    total, size = rows.ascending.shape
    if total == 1 and size <= _EXACT:
        return _best_ends(rows, _shares(rows, size), count)
    fine = _fine_edges(rows, min(_FINE, size))
    cells = int((_TRIALS / (count * total)) ** 0.5)
    if cells < 2 * count:
        return _dense_ends(rows, fine, count)
    start, end = torch.zeros_like(rows.counts), rows.counts
    return _best_ends(rows, torch.cat([start, _dense_ends(rows, fine, cells), end], dim=1), count)


def _fine_edges(rows: Ordered, cells: int) -> Tensor:
    """Positions that cut each row into cells, half of them equally full and half equally wide."""
    if cells >= rows.ascending.shape[1]:
        return _shares(rows, cells)
    wide = cells // 2
    first, last = rows.at(torch.zeros_like(rows.counts)), rows.at(rows.counts)
    cuts = torch.lerp(first, last, torch.linspace(0, 1, wide + 2)[1:-1])
    by_width = torch.minimum(torch.searchsorted(rows.ascending, cuts), rows.counts)
    return torch.cat([_shares(rows, cells - wide), by_width], dim=1).sort(dim=1).values


def _shares(rows: Ordered, cells: int) -> Tensor:
    return (torch.linspace(0, 1, cells + 1, dtype=torch.float64) * rows.counts).round().to(torch.int64)


def _dense_ends(rows: Ordered, edges: Tensor, count: int) -> Tensor:
    """Equal shares of (weights in a cell)**(1/3) * (its width)**(2/3)."""
    widths = rows.at(edges).double().diff(dim=1).clamp_min(0)
    mass = (edges.diff(dim=1).double() * widths.square()).pow(1 / 3).cumsum(dim=1)
    wanted = mass[:, -1:] * torch.arange(1, count) / count
    return edges.gather(1, torch.searchsorted(mass, wanted) + 1)


def _best_ends(rows: Ordered, edges: Tensor, count: int) -> Tensor:
    """The intervals with the least squared error among those that end at edges of cells."""
    cost = _costs(rows, edges)
    best, choices = cost[:, :, 0], []
    for _ in range(count - 1):
        least = (best.unsqueeze(1) + cost).min(dim=2)
        best = least.values
        choices.append(least.indices)
    at = torch.full_like(rows.counts, edges.shape[1] - 1)
    ends = []
    for choice in reversed(choices):
        at = choice.gather(1, at)
        ends.append(edges.gather(1, at))
    return torch.cat(ends[::-1], dim=1) if ends else edges[:, :0]


def _costs(rows: Ordered, edges: Tensor) -> Tensor:
    """[rows, j, i]: squared error of one level for the cells i to j - 1, in units of the largest weight.

    A cell counts as if all its weights lay at its mean.
    """
    largest = torch.maximum(rows.at(edges[:, :1]).abs(), rows.at(edges[:, -1:]).abs()).double()
    sums = rows.sums.gather(1, edges) / largest.clamp_min(torch.finfo(torch.float32).tiny)
    sums = sums - sums[:, -1:] / rows.counts.clamp_min(1) * edges
    sizes = edges.diff(dim=1)
    squares = sums.diff(dim=1).square() / sizes.clamp_min(1)
    squares = torch.nn.functional.pad(squares.cumsum(dim=1), (1, 0))
    sizes = (edges.unsqueeze(2) - edges.unsqueeze(1)).clamp_min(1)
    spent = squares.unsqueeze(2) - squares.unsqueeze(1)
    cost = spent - (sums.unsqueeze(2) - sums.unsqueeze(1)).square() / sizes
    return cost.masked_fill_(torch.ones(cost.shape[1:], dtype=torch.bool).triu(1), torch.inf)
