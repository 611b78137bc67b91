"""Rules at the inputs of layers while a network trains: the step of a static grid may learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from compress_core.techniques.contract.input_rules import InputRule, StaticGrid
from compress_core.training.learned_levels import gradient_share, learned_step

_SMALLEST_GAIN = 2.0**-10
_TINY = torch.finfo(torch.float32).tiny


@dataclass(eq=False)
class InputInTraining:
    """Stands at a layer's input in the place of a rule, and applies it; it has one owner, the trainee.

    gain: by how much the step of a static grid is larger than it was, a scalar that learns; None: it is held.
    """

    rule: InputRule
    gain: Tensor | None = None

    def __call__(self, values: Tensor) -> Tensor:
        """Rounded values of the same shape [n, ...]."""
        if self.gain is None or not isinstance(self.rule, StaticGrid):
            return self.rule(values)
        return on_learned_grid(values, self._scale(self.rule, self.gain), self.rule)

    @property
    def now(self) -> InputRule:
        """The rule as it would be stored."""
        if self.gain is None or not isinstance(self.rule, StaticGrid):
            return self.rule
        return replace(self.rule, scale=self._scale(self.rule, self.gain.detach()).item())

    @staticmethod
    def _scale(rule: StaticGrid, gain: Tensor) -> Tensor:
        return (rule.scale * gain.clamp(min=_SMALLEST_GAIN)).clamp(min=_TINY)


def on_learned_grid(values: Tensor, scale: Tensor, grid: StaticGrid) -> Tensor:
    """Values [n, ...] rounded as the grid does with another scale, a scalar that learns.

    Esser et al. 2020, arXiv:1902.08153, eq. 1 to 5, n of the gradient's share: values of an item.
    """
    lowest, highest = (torch.tensor(float(end - grid.zero_point)) for end in (0, 2**grid.bits - 1))
    units = (torch.round((values / scale).detach()) + grid.zero_point).clamp(0, 2**grid.bits - 1)
    share = gradient_share(torch.tensor(float(values[0].numel())), highest)
    return learned_step(values, scale, units - grid.zero_point, (lowest, highest), share)


def at_inputs(rules: Mapping[str, tuple[InputRule, ...]]) -> dict[str, tuple[InputInTraining, ...]]:
    """What stands at the inputs of layers, nothing of it learning yet."""
    return {name: tuple(InputInTraining(rule) for rule in of) for name, of in rules.items()}


def rules_now(inputs: Mapping[str, tuple[InputInTraining, ...]]) -> dict[str, tuple[InputRule, ...]]:
    """The rules as they would be stored."""
    return {name: tuple(each.now for each in of) for name, of in inputs.items()}
