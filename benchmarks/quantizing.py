"""The sliders of bits and of clusters."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.clock import Case, Limit, Side, milliseconds
from benchmarks.networks import Size, one_convolution
from benchmarks.visitor import buffers_for, decode, moved, weight_of
from compress_core.foundation.store import Store
from compress_core.levels.grid import symmetric_grid
from compress_core.levels.table import Table
from compress_core.numerics.codebook import fit_codebook, ordered
from compress_core.numerics.scale import RowRanges, largest_kept
from compress_core.subject.subject import Subject

BITS, CLUSTERS = 4, 16


def cases(size: Size) -> Iterator[Case | Limit]:
    """4 bits for each row against torch's fake quantization, 16 clusters against scikit-learn."""
    subject = one_convolution(size)
    yield from _bits(subject)
    yield from _clusters(subject)


def _warm(subject: Subject, technique: str, **knobs: object) -> Store:
    """A store as it is after the slider stood somewhere else: statistics known, this place not."""
    store = Store()
    moved(subject, store, ["conv"], technique, bits=BITS - 1, **knobs)
    return store


def _app(subject: Subject, technique: str, buffers: dict[str, Tensor], **knobs: object) -> Side:
    def move(store: Store) -> Tensor:
        return decode(moved(subject, store, ["conv"], technique, bits=BITS, **knobs), buffers)["conv"]

    return Side("slimscope", move, lambda _: _warm(subject, technique, **knobs))


def _observed(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(scale, zero point) of each row, as torch's own observer finds them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from torch.ao.quantization.observer import PerChannelMinMaxObserver

        high = 2 ** (BITS - 1) - 1
        observer = PerChannelMinMaxObserver(
            0, torch.qint8, torch.per_channel_symmetric, quant_min=-high, quant_max=high
        )
    observer(weight)
    scale, zero_point = observer.calculate_qparams()
    return scale, zero_point.to(torch.int32)


def _fake_quantized(weight: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    high = 2 ** (BITS - 1) - 1
    return torch.fake_quantize_per_channel_affine(weight, scale, zero_point, 0, -high, high)


def _bits(subject: Subject) -> Iterator[Case]:
    weight, buffers = weight_of(subject, "conv"), buffers_for(subject)
    known = _observed(weight)
    ranges = RowRanges.of(weight, torch.ones_like(weight, dtype=torch.bool))

    def bare(_: int) -> Tensor:
        largest = largest_kept(weight, weight, "per_channel", ranges)
        return symmetric_grid(largest, BITS, clips=False).quantize_into(weight, buffers["conv"])

    app = _app(subject, "uniform", buffers, narrow_range=True)  # those of torch's observer above
    yield Case(
        f"bits slider, {weight.nbytes / 1e6:.1f} MB, {BITS} bit, a scale for each row",
        Side(
            "min/max observer, torch.fake_quantize_per_channel_affine",
            lambda _: _fake_quantized(weight, *_observed(weight)),
        ),
        app,
        torch.equal,
        8,
    )
    fake = Side("torch.fake_quantize_per_channel_affine", lambda _: _fake_quantized(weight, *known))
    yield Case("  the same, the peer knows its scales", fake, app, torch.equal)
    yield Case("  the same without the recipe", fake, Side("slimscope, bare", bare), torch.equal)
    target = weight.clone()
    copied = Side("a copy of the weights", lambda _: target.copy_(weight))
    yield Case("  the same against a copy", copied, app, lambda copy, _: torch.equal(copy, weight))


def _by_scikit_learn(weight: Tensor) -> Tensor:
    from sklearn.cluster import KMeans

    values = weight.numpy().reshape(-1, 1)
    found = KMeans(CLUSTERS, n_init=1, random_state=0).fit(values)
    levels: np.ndarray = found.cluster_centers_[found.labels_]
    return torch.from_numpy(levels).float().view(weight.shape)


def _clusters(subject: Subject) -> Iterator[Case | Limit]:
    weight, buffers = weight_of(subject, "conv"), buffers_for(subject)
    row = weight.reshape(1, -1), torch.ones(1, weight.numel(), dtype=torch.bool)
    fitted = ordered(*row)
    no_higher = partial(_error_no_higher, weight)
    scikit = Side("sklearn.cluster.KMeans(n_init=1)", lambda _: _by_scikit_learn(weight))

    def bare(_: int) -> Tensor:
        return Table(fit_codebook(fitted, CLUSTERS)).quantize_into(weight, buffers["conv"])

    app = _app(subject, "kmeans", buffers)
    yield Case(f"clusters slider, {CLUSTERS} of {weight.numel():,}", scikit, app, no_higher, 150)
    yield Limit("  the same without the recipe", "ms", lambda: milliseconds(partial(bare, 0)))
    yield Limit(
        "  once for each layer: its weights sorted", "ms", lambda: milliseconds(partial(ordered, *row))
    )


def _error_no_higher(weight: Tensor, peer: Tensor, ours: Tensor) -> bool:
    lost_by_peer, lost = ((values - weight).double().square().sum() for values in (peer, ours))
    return float(lost) <= float(lost_by_peer) * (1 + 1e-6)
