"""Whether an edit of each layer's weight is seen by whoever evaluates the network."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from compress_core.loading.load_check import LoadedNetwork, LockedLayer, load_check
from compress_core.network.edit_reach import out_of_reach

_MORE = 256
_MOST_VALUES = 2**20


@load_check(order=10)
def edits_arrive(loaded: LoadedNetwork) -> Iterator[LockedLayer]:
    """A layer is locked whose weight is read past its place, or that no answer depends on."""
    subject = loaded.subject
    items = [split.inputs for split in subject.splits.values() if len(split)]
    each = max(1, subject.input.baseline.numel())
    more = [inputs[: min(_MORE, max(1, _MOST_VALUES // each))] for inputs in items[:1]]
    with torch.inference_mode(mode=False):
        found = out_of_reach(subject.network, subject.layers, [loaded.probe[:2], loaded.probe, *more])
    yield from (LockedLayer(name, reason) for name, reason in found.items())
