"""Adam over what learns, with what the loop needs of it: one rate a step, and averages to clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from compress_core.training.trainee import Trainee


@dataclass(frozen=True, eq=False)
class Optimizer:
    """torch's AdamW; tensors: what learns, in an order that the model decides."""

    adam: torch.optim.AdamW
    tensors: tuple[Tensor, ...]

    @classmethod
    def of(cls, trainee: Trainee, weight_decay: float) -> Optimizer:
        """An optimizer of all that learns; only weights of layers are pulled towards zero.

        Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2.
        """
        weights = [t for learned in trainee.learned.values() for t in learned.values()]
        beside = list(trainee.beside.values())
        groups = [
            {"params": weights, "weight_decay": weight_decay},
            {"params": beside, "weight_decay": 0.0},
        ]
        adam = torch.optim.AdamW([g for g in groups if g["params"]], foreach=False)
        return cls(adam, (*weights, *beside))

    def clear(self) -> None:
        """Forget the gradients of the step before."""
        self.adam.zero_grad(set_to_none=True)

    def step(self, rate: float) -> None:
        """One step of a learning rate."""
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()

    @torch.no_grad()
    def forget(self, tensor: Tensor, where: Tensor) -> None:
        """Clear the averages of some values of a tensor of any shape: they begin anew."""
        for average in self.adam.state[tensor].values():
            if isinstance(average, Tensor) and average.shape == where.shape:
                average[where] = 0

    def begin_anew(self) -> None:
        """Forget all averages."""
        self.adam.state.clear()

    def state(self) -> tuple[Mapping[str, Tensor], ...]:
        """The averages of each tensor of any shape, copies."""
        return tuple({k: v.clone() for k, v in self.adam.state[t].items()} for t in self.tensors)

    def restore(self, state: Sequence[Mapping[str, Tensor]]) -> None:
        """Take up averages of any shape as `state` gave them."""
        for tensor, averages in zip(self.tensors, state, strict=True):
            self.adam.state[tensor] = {name: value.clone() for name, value in averages.items()}
