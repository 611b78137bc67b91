"""Keeping the parent's attribution maps."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cosine_similarity

from compress_core.foundation.knobs import SliderStep
from compress_core.training.method import Hooks, training_method

_TINY = torch.finfo(torch.float32).tiny


def maps_apart(saliency: Tensor, teacher_saliency: Tensor, support: Tensor, *, strength: float) -> Tensor:
    """strength x mean over items of 1 - cosine of both maps on the support, a scalar.

    saliency, teacher_saliency, support [n, *size]. An item of which one map is zero there has no direction
    and is left out.

    Parchami-Araghi et al. 2024, arXiv:2402.03119, section 3.1.
    """
    one, other = (torch.where(support, maps, 0.0).flatten(1) for maps in (saliency, teacher_saliency))
    largest = [maps.detach().abs().amax(dim=1, keepdim=True) for maps in (one, other)]
    known = ((largest[0] >= _TINY) & (largest[1] >= _TINY)).squeeze(1)
    if not bool(known.any()):
        return saliency.new_zeros(())
    # small slopes are made larger first: their squares would vanish
    first, second = (maps[known] / most[known] for maps, most in zip((one, other), largest, strict=True))
    return strength * (1 - cosine_similarity(first, second, dim=1)).mean()


@training_method(order=3)
def keep_attributions(
    *,
    strength: Annotated[
        float,
        Field(ge=0, le=100, description="How much maps that differ from the parent's count beside the loss."),
        SliderStep(0.1),
    ] = 1.0,
) -> Hooks:
    """Keep looking at what the parent looks at: maps of saliency that turn away from its own cost.

    strength x mean over items of 1 - cosine of both saliency maps, beside the loss: of the class that the
    parent answers with, the label that it is surest of, or the value that lies farthest from the mean, on the
    input values that differ from the baseline, without dropout and with the norms' statistics. The parent is
    the model as loaded. A step takes about four times as long.

    Parchami-Araghi et al. 2024, Good Teachers Explain, arXiv:2402.03119, section 3.1.
    """
    return Hooks(penalty=partial(maps_apart, strength=strength))
