"""Whether the answer to an item depends on the items that stand beside it in a batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from compress_core.foundation.texts import Phrase
from compress_core.loading.load_check import LoadedNetwork, NetworkWarning, load_check
from compress_core.network.forward import running_on
from compress_core.network.layers.norms import norms_of_each_batch

_ROUNDING = 1e-3  # of the largest answer: batches of another size are summed in another order


@load_check(order=20)
def apart_from_others(loaded: LoadedNetwork) -> Iterator[NetworkWarning]:
    """Named is the first batch norm without running statistics; where there is none, the network."""
    norms = norms_of_each_batch(loaded.subject.network)
    if norms:
        yield NetworkWarning(
            Phrase(
                "{norm} has no running statistics: it takes those of each batch, so every answer depends on "
                "the items beside it, and every number holds for batches as they are here. Train it with "
                "track_running_stats.",
                norm=norms[0],
            )
        )
    elif not _answers_apart(loaded):
        yield NetworkWarning(
            Phrase(
                "The answer of {model} to an item depends on the items beside it in a batch: every number "
                "holds for batches as they are here. Make its forward compute each item by itself.",
                model=loaded.name,
            )
        )


def _answers_apart(loaded: LoadedNetwork) -> bool:
    """Whether half of the probe is answered as in the whole of it, as far as rounding allows."""
    whole = loaded.answers
    half = max(1, len(loaded.probe) // 2)
    if not isinstance(whole, Tensor) or len(whole) != len(loaded.probe) or half == len(loaded.probe):
        return True
    with torch.inference_mode(), running_on(loaded.probe[:half]):
        alone = loaded.copy()(loaded.probe[:half].clone())
    if not isinstance(alone, Tensor) or alone.shape != whole[:half].shape:
        return False
    finite = whole[:half].isfinite() & alone.isfinite()
    scale = float(whole[:half][finite].abs().max()) if bool(finite.any()) else 0.0
    same = torch.isclose(alone, whole[:half], rtol=0, atol=_ROUNDING * max(scale, 1e-6), equal_nan=True)
    return bool(same.all())
