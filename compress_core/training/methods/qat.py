"""Quantization-aware training."""

from __future__ import annotations

from compress_core.training.learned_levels import AS_RECIPE, RoundedBits, levels_to_learn
from compress_core.training.method import Hooks, training_method


@training_method(order=5)
def qat(
    *,
    bits: RoundedBits = AS_RECIPE,
) -> Hooks:
    """Round the weights at every step, so that the network learns to live with it, and learn the levels too.

    The forward pass has the weights as they would be stored. Gradients pass the rounding as if it were not
    there, and a step size gets sum(round(w / s) - w / s) over the weights between the lowest and the highest
    level and that level beyond, times 1 / sqrt(n Q_P); levels of a codebook get the sum over their weights.
    What is pruned stays zero. Steps of static grids at the inputs of layers learn alike. Step sizes learn as
    factors of what the recipe chose.

    Esser et al. 2020, Learned Step Size Quantization, arXiv:1902.08153, eq. 1 to 5; straight through:
    Bengio et al. 2013, arXiv:1308.3432.
    """
    return Hooks(parametrization=lambda _, encoded: levels_to_learn(encoded, bits), input_steps=True)
