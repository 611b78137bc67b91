"""What the loss says of a weight."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.weight_view import NetworkView, WeightView
from compress_core.network.squared_gradients import SquaredGradients, fisher_diagonals


@argument(depends_on=DependsOn.ITEMS | DependsOn.LABELS | DependsOn.FACTORED_LAYERS | DependsOn.LATER_LAYERS)
def fisher_diagonal(at: WeightView) -> Tensor:
    """The mean over items of the squared gradient [out, in * k]; all weights are measured in one go.

    Raises Refused where no gradient reaches the weight, or none that says anything.
    """
    return at.measured(_squared_gradients, lambda found: found.mean.nbytes).told_of(at.name)


def _squared_gradients(of: NetworkView) -> Mapping[str, SquaredGradients]:
    return fisher_diagonals(of.whole_network(), of.whole_layers(), of.items(), of.labels())
