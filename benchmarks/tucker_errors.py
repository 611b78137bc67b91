"""The error of `tucker` beside tensorly's partial Tucker decomposition, at the same ranks.

tensorly comes with the optional extra `peers`; without it its column stays empty.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.networks import FULL, Size
from compress_core.apply.views.weight_view import derive
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.network.layers.places import read_kernel
from compress_core.numerics.factoring import composed
from compress_core.techniques.tucker import tucker

MODELS = ("lenet5", "resnet")
SHARES = (0.25, 0.5, 0.75)


def lines(size: Size) -> Iterator[str]:
    """For every convolution and rank: share of the squared weights that is lost."""
    yield "| layer | ranks | tensorly | no sweeps | as usual | over tensorly |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for model in MODELS if size == FULL else MODELS[:1]:
        subject, store = load_sample(model), Store()
        for layer in subject.layers:
            if len(layer.kernel_shape) != 4 or min(layer.kernel_shape[:2]) < 4:
                continue
            kernel = read_kernel(subject.network, layer)
            modes = derive(subject, layer.name, "mode_vectors", store)
            for share in SHARES:
                rank_out, rank_in = (max(1, round(share * width)) for width in kernel.shape[:2])
                cases = (
                    tucker(kernel, modes, rank_in=rank_in, rank_out=rank_out, sweeps=0),
                    tucker(kernel, modes, rank_in=rank_in, rank_out=rank_out),
                )
                plain, usual = (_lost(kernel, composed([k.double() for k in c.kernels], 1)) for c in cases)
                peer = _by_tensorly(kernel, rank_out, rank_in)
                beside = ("", "") if peer is None else (f"{peer:.6f}", f"{usual / peer:.4f}")
                name = f"{model} {layer.name} | {rank_in}, {rank_out}"
                yield f"| {name} | {beside[0]} | {plain:.6f} | {usual:.6f} | {beside[1]} |"


def _lost(kernel: Tensor, again: Tensor) -> float:
    return float((again - kernel).square().sum() / kernel.double().square().sum())


def _by_tensorly(kernel: Tensor, rank_out: int, rank_in: int) -> float | None:
    """None where tensorly is not installed."""
    try:
        import tensorly
        from tensorly.decomposition import partial_tucker
    except ImportError:
        return None
    tensorly.set_backend("pytorch")
    (core, factors), _ = partial_tucker(kernel.double(), rank=[rank_out, rank_in], modes=[0, 1])
    again = tensorly.tenalg.multi_mode_dot(core, factors, modes=[0, 1])
    return _lost(kernel, torch.as_tensor(again))
