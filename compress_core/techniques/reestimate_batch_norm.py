"""Re-estimation of the running statistics of batch norms."""

from __future__ import annotations

from torch import Tensor

from compress_core.techniques.contract.results import Restated
from compress_core.techniques.contract.technique import technique


@technique
def reestimate_batch_norm(input_mean: Tensor, input_variance: Tensor) -> Restated:
    """Measure anew what every batch norm subtracts and divides by in the compressed network.

    input_mean, input_variance [channels], of what arrives at the norm on calibration items, all positions
    together, with every weight as it ships -> its new running statistics. Norm after norm from the front:
    each sees those before it measured anew.

    Shomron and Weiser 2020, Post-Training BatchNorm Recalibration, arXiv:2010.05625.
    """
    return Restated(input_mean, input_variance)
