"""Where a training is on its way, and what follows from that alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from compress_core.foundation.store import digest


@dataclass(frozen=True)
class Moment:
    """A step of a training: step of steps from 0, of which each epoch has steps_per_epoch."""

    step: int
    steps: int
    steps_per_epoch: int

    @property
    def epoch(self) -> int:
        """The epoch from 0."""
        return self.step // self.steps_per_epoch

    @property
    def share(self) -> float:
        """How much of the training is over once this step is done, above 0 and 1 at the last."""
        return (self.step + 1) / self.steps

    @property
    def epochs(self) -> int:
        """How many epochs the training has."""
        return self.steps // self.steps_per_epoch

    def within(self, rounds: int) -> Moment:
        """The step within its round, where the epochs are divided into so many rounds."""
        now = ((self.epoch + 1) * rounds - 1) // self.epochs
        first, after = now * self.epochs // rounds, (now + 1) * self.epochs // rounds
        size = self.steps_per_epoch
        return Moment(self.step - first * size, (after - first) * size, size)

    def comes_every(self, count: int) -> bool:
        """Whether so many steps, or an epoch where it is shorter, went by since the last time; not at 0."""
        return self.step > 0 and self.step % min(count, self.steps_per_epoch) == 0

    def first_after(self, share: float) -> int:
        """The first step with which a share of the training is over."""
        count = max(1, int(share * self.steps))
        return count - 1 if count / self.steps >= share else count

    @property
    def is_last(self) -> bool:
        return self.step + 1 == self.steps


def cosine_schedule(moment: Moment, warmup: float) -> float:
    """The share of the full learning rate: rising over the first part, then half a cosine down to 0.

    warmup: the part of all steps over which it rises. Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5.
    """
    rising = warmup * moment.steps
    if moment.step + 1 < rising:
        return (moment.step + 1) / rising
    over = (moment.step - rising) / max(1.0, moment.steps - rising)
    return 0.5 * (1 + math.cos(math.pi * max(0.0, over)))


def random_numbers(seed: int, *what: object) -> torch.Generator:
    """Random numbers that depend on nothing but a seed and what they are for."""
    return torch.Generator().manual_seed(int(digest("training", seed, *what)[:15], 16))
