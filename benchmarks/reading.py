"""A statistic of what every layer reads, in shared passes of the calibration items and layer by layer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import torch
from torch import Tensor

from benchmarks.clock import Case, Side
from benchmarks.networks import FULL, Size
from compress_core.apply.views.weight_view import derive
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.subject.subject import Subject

NETWORKS = {"vit": 5.0, "resnet": 1.2}  # and how many times faster all layers together should be
STATISTICS = {"hessian": "second moments", "input_norm": "norms"}


def cases(size: Size) -> Iterator[Case]:
    """Each statistic of all layers of a sample."""
    for network in NETWORKS if size == FULL else ("tabular",):
        subject = load_sample(network)
        for name, words in STATISTICS.items():
            yield _case(subject, name, f"{words} of what {len(subject.layers)} layers of {network} read")


def _case(subject: Subject, name: str, words: str) -> Case:
    return Case(
        words,
        Side("a pass for each layer", lambda _: _told(subject, name, ())),
        Side("shared passes", lambda _: _told(subject, name, tuple(subject.by_name))),
        _equal,
        NETWORKS.get(subject.name),
    )


def _told(subject: Subject, name: str, among: Collection[str]) -> Mapping[str, Tensor]:
    store = Store()
    return {layer: derive(subject, layer, name, store, among) for layer in subject.by_name}


def _equal(alone: Mapping[str, Tensor], together: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(found, together[layer]) for layer, found in alone.items())
