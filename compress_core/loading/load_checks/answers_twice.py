"""Whether the same network gives the same answers when it is asked again."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from compress_core.foundation.errors import Refused
from compress_core.loading.load_check import LoadedNetwork, NetworkWarning, load_check
from compress_core.network.forward import tensors_in


@load_check(order=0)
def answers_twice(loaded: LoadedNetwork) -> Iterator[NetworkWarning]:
    """Two copies with another chance must agree, and one copy with itself; raises Refused."""
    network = loaded.copy()
    once, other = loaded.answer(network), loaded.answer(loaded.copy(), seed=1)
    if not _equal(once, other):
        raise Refused(
            "{model} draws at random while it answers: two runs on the same items differ, although it is in "
            "evaluation mode. Make its forward draw only while self.training is true.",
            model=loaded.name,
        )
    if not _equal(once, loaded.answer(network)):
        raise Refused(
            "{model} remembers what it was shown before: the same items have another answer the second "
            "time. Make its forward keep nothing from one call to the next in evaluation mode.",
            model=loaded.name,
        )
    yield from ()


def _equal(one: object, other: object) -> bool:
    """Equal to the bit, NaN as well."""
    pairs = zip(tensors_in(one), tensors_in(other), strict=True)
    return all(a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True) for a, b in pairs)
