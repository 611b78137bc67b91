"""Where an even grid should end: what lies beyond is clipped so that everything else is rounded finer."""

from __future__ import annotations

import torch
from torch import Tensor

_STEPS = 4  # places for each halving of the range in the first search
_HALVINGS = 10  # to a thousandth of the largest weight: one outlier among millions
_FINER = 8  # places between two of the first search
_SURELY = 1 - 1e-5  # below this share of the full range's error the difference is no rounding
_BLOCK = 2**16  # weights at a time, so that the passes stay in the cache


def best_share(rows: Tensor, low: int, high: int) -> Tensor:
    """The share of each row's range at which an even grid errs least [S, 1]; 1 where none is better.

    rows [S, n] in steps of the grid that clips nothing, within its levels low to high. That grid is one
    of those that are tried, so that the squared error is never above its own.
    """
    halvings = torch.arange(1, _STEPS * _HALVINGS + 1) / _STEPS
    full = torch.ones(rows.shape[0], 1)
    coarse = torch.cat([full, (2.0**-halvings).expand(rows.shape[0], -1)], dim=1)
    around = 2.0 ** (torch.arange(-_FINER, _FINER + 1) / (_FINER * _STEPS))
    errors = _errors(rows, coarse, low, high)
    at = errors.argmin(dim=1, keepdim=True)
    fine = (coarse.gather(1, at) * around).clamp_max(1.0)
    finer = _errors(rows, fine, low, high)
    least = finer.min(dim=1, keepdim=True)
    return torch.where(least.values < _SURELY * errors[:, :1], fine.gather(1, least.indices), 1.0)


def _errors(rows: Tensor, shares: Tensor, low: int, high: int) -> Tensor:
    """Squared error of each row [S, places] when its steps shrink to each of the shares [S, places]."""
    pieces = -(-rows.shape[1] // _BLOCK)
    cut = torch.nn.functional.pad(rows, (0, -rows.shape[1] % pieces)).reshape(rows.shape[0] * pieces, -1)
    at_once = max(1, _BLOCK // cut.shape[1])
    steps = shares.repeat_interleave(pieces, dim=0)
    blocks = zip(torch.split(cut, at_once), torch.split(steps, at_once), strict=True)
    errors = torch.cat([_errors_of_block(block, of_block, low, high) for block, of_block in blocks])
    return errors.view(rows.shape[0], pieces, -1).sum(dim=1)


def _errors_of_block(rows: Tensor, steps: Tensor, low: int, high: int) -> Tensor:
    moved = torch.empty_like(rows)
    errors = torch.empty_like(steps)
    for place, step in enumerate(steps.unsqueeze(2).unbind(1)):
        torch.div(rows, step, out=moved).round_().clamp_(low, high)
        torch.addcmul(rows, moved, step, value=-1, out=moved)
        errors[:, place] = torch.linalg.vecdot(moved, moved)
    return errors
