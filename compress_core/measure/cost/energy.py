"""What a pass costs in multiplications, bytes moved and, by a stated model, energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store, digest
from compress_core.measure.cost.cost import network_macs
from compress_core.network.layers.find import find_layers
from compress_core.network.layers.kinds import Layer, LayerKind
from compress_core.network.layers.macs import count_macs
from compress_core.network.layers.places import read_matrix
from compress_core.network.shared_copy import shared_copy

_UNITS = {
    "macs": "MAC",
    "macs_useful": "MAC",
    "traffic_weights": "byte",
    "traffic_weights_coded": "byte",
    "traffic_activations": "byte",
    "energy": "uJ",
    "energy_exploited": "uJ",
    "energy_original": "uJ",
}
_FLOAT = 4  # bytes of a float32


@dataclass(frozen=True)
class EnergyModel:
    """Picojoules for each operation and for each byte moved, and where they come from.

    fast_byte: a byte from or to a memory on the chip; slow_byte: one from main memory.
    """

    source: str
    float_multiply: float
    float_add: float
    int8_multiply: float
    int32_add: float
    fast_byte: float
    slow_byte: float

    @property
    def float_mac(self) -> float:
        """One multiplication and one addition in float32."""
        return self.float_multiply + self.float_add

    @property
    def int8_mac(self) -> float:
        """One multiplication of bytes, summed in 32 bits."""
        return self.int8_multiply + self.int32_add


# 64 bits take 100 pJ from 1 MB of SRAM and 1.3 to 2.6 nJ from DRAM, of which the middle is taken.
HOROWITZ = EnergyModel(
    source="Horowitz 2014, Computing's energy problem (and what we can do about it), ISSCC, 10-14: rough "
    "energy costs in 45 nm at 0.9 V",
    float_multiply=3.7,
    float_add=0.9,
    int8_multiply=0.2,
    int32_add=0.1,
    fast_byte=100 / 8,
    slow_byte=1950 / 8,
)


@dataclass(frozen=True)
class Work:
    """What one layer does for a batch.

    macs: multiply-accumulates as a dense layer; useful_macs: those whose weight is not zero; weight_bytes:
    the weights that are read, in float32; encoded_bytes: as they are stored; activation_bytes: inputs and
    outputs in float32, counted once for modules with several layers.
    """

    layer: str
    macs: int
    useful_macs: int
    weight_bytes: int
    encoded_bytes: float
    activation_bytes: int


def work_of(model: Model, store: Store, batch: int = 1) -> tuple[Work, ...]:
    """The work of every layer that has weights, in module order, for a batch of items."""
    return store.get(digest("work", model.key, batch), lambda: _work_of_layers(model, batch))


def _work_of_layers(model: Model, batch: int) -> tuple[Work, ...]:
    network, example = model.network(), model.subject.input.baseline
    layers = count_macs(shared_copy(network), find_layers(network)[0], example)
    moved = _moved(network, layers, example)
    encoded = {
        part.name: c.bits.total / 8
        for compressed in model.compressed.values()
        for part, c in compressed.parts
    }
    return tuple(_work(network, layer, batch, moved, encoded) for layer in layers)


def _work(
    network: nn.Module, layer: Layer, batch: int, moved: dict[str, int], encoded: Mapping[str, float]
) -> Work:
    whole, stored = _FLOAT * layer.weights, encoded.get(layer.name, _FLOAT * layer.weights)
    if layer.kind is LayerKind.EMBEDDING:  # only the rows that are looked up are read
        share = min(1.0, batch * (layer.positions or 0) / max(1, layer.rows))
        whole, stored = round(share * whole), share * stored
    macs = layer.macs or 0
    uses = macs // max(1, layer.weights)
    nonzero = int(torch.count_nonzero(read_matrix(network, layer)))
    bytes_moved = _FLOAT * moved.pop(layer.module, 0)  # the next layer of the same module has none left
    return Work(layer.name, batch * macs, batch * uses * nonzero, whole, stored, batch * bytes_moved)


def _moved(network: nn.Module, layers: Sequence[Layer], example: Tensor) -> dict[str, int]:
    """How many numbers each module of a layer reads and writes for one item."""
    counts: dict[str, int] = dict.fromkeys((layer.module for layer in layers), 0)
    hooks = []
    for name in counts:

        def count(
            _: nn.Module,
            inputs: tuple[object, ...],
            kwargs: dict[str, object],
            output: object,
            name: str = name,
        ) -> None:
            outputs = output if isinstance(output, tuple) else (output,)
            tensors = (t for t in (*inputs, *kwargs.values(), *outputs) if isinstance(t, Tensor))
            counts[name] += sum(t.numel() for t in tensors)

        hooks.append(network.get_submodule(name).register_forward_hook(count, with_kwargs=True))
    try:
        with torch.inference_mode():
            network(example)
    finally:
        for hook in hooks:
            hook.remove()
    return counts


def energy(
    work: Sequence[Work], model: EnergyModel = HOROWITZ, *, exploited: bool = False, int8: bool = False
) -> Number:
    """Microjoules of a batch: operations, weights from main memory once, activations from the chip.

    As a dense runtime in float32 does it, or exploited: zeros skipped and weights read as they are stored.
    int8: weights and activations are multiplied as bytes.
    """
    macs = sum(w.useful_macs if exploited else w.macs for w in work)
    weights = sum(w.encoded_bytes if exploited else w.weight_bytes for w in work)
    activations = sum(w.activation_bytes for w in work) / (_FLOAT if int8 else 1)
    operation = model.int8_mac if int8 else model.float_mac
    picojoules = macs * operation + weights * model.slow_byte + activations * model.fast_byte
    return Number(picojoules / 1e6, "uJ", "estimated")


def energy_costs(model: Model, store: Store, batch: int = 1) -> Mapping[str, Number]:
    """Operations, traffic and energy of one batch, by name; energy_original is the model as loaded."""
    work, before = _all_work(model, store, batch), _all_work(Model.original(model.subject), store, batch)
    if isinstance(work, Number) or isinstance(before, Number):
        reason = next(each.reason for each in (work, before) if isinstance(each, Number)) or ""
        return {name: Number.missing(unit, reason) for name, unit in _UNITS.items()}
    total = {
        "macs": (sum(w.macs for w in work), "MAC"),
        "macs_useful": (sum(w.useful_macs for w in work), "MAC"),
        "traffic_weights": (sum(w.weight_bytes for w in work), "byte"),
        "traffic_weights_coded": (sum(w.encoded_bytes for w in work), "byte"),
        "traffic_activations": (sum(w.activation_bytes for w in work), "byte"),
    }
    exact = {name: Number(float(value), unit, "exact") for name, (value, unit) in total.items()}
    return {
        **exact,
        "energy": energy(work),
        "energy_exploited": energy(work, exploited=True),
        "energy_original": energy(before),
    }


def _all_work(model: Model, store: Store, batch: int) -> tuple[Work, ...] | Number:
    """The work of the layers, and products that stand in none of them, such as attention's; else why not."""
    macs, work = network_macs(model, store), work_of(model, store, batch)
    if macs.value is None:
        return macs
    between = batch * int(macs.value) - sum(w.macs for w in work)
    return (*work, Work("", between, between, 0, 0, 0)) if between > 0 else work
