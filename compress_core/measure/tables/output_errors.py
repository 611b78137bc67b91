"""How far the output of each layer is from what it was, on calibration items and by its weights alone.

What a layer reads is what the base gives it: prepared and cut, but no weight compressed. So each error is
the layer's own, whatever the layers before it do. Biases and what happens to inputs are not in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import torch
from torch import Tensor

from compress_core.apply.context import refuse_broken
from compress_core.apply.model import CompressedLayer, Model
from compress_core.apply.views.weight_view import derive
from compress_core.foundation.errors import Refused
from compress_core.foundation.memory_budget import VARIABLE, as_size, memory_budget
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store, digest
from compress_core.foundation.texts import N_, Phrase
from compress_core.network.layers.factors import multiplied_out
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import read_matrix
from compress_core.numerics.second_order import output_error
from compress_core.subject.subject import Subject

_ROWS_AT_ONCE = 1024
_MOMENTS = 2  # a batch's products stand beside their sum


def output_errors(model: Model, store: Store, names: Iterable[str] | None = None) -> Mapping[str, Number]:
    """The error of each of these layers as loaded, by name; of all where none are named."""
    among = layers_to_measure(model, store)
    wanted = [layer.name for layer in model.subject.layers] if names is None else names
    return {name: error_of_output(model, name, store, among) for name in wanted}


def error_of_output(model: Model, name: str, store: Store, among: Collection[str] = ()) -> Number:
    """||W x - W' x||^2 / ||W x||^2, summed over calibration items and positions of the output.

    x: what the layer reads in the base. From the second moment of x, which is measured once for a layer and
    serves every other change of it. Exactly 0 for a layer whose weights are as the base has them. Not
    measured, with the reason: without calibration items, for an embedding, and where nothing is read or put
    out. among: layers that will be asked for as well, which may read in the same pass.
    """
    try:
        layer, changed = _changed(model, name)
        if changed is None:
            return Number(0.0, "share", "exact")
        key = _key(model.base, changed)
        return store.get(key, lambda: _measured(model.base, layer, changed, store, among))
    except Refused as refused:
        return _missing(refused)


def layers_to_measure(model: Model, store: Store) -> tuple[str, ...]:
    """The layers whose error has to be computed first, in module order; the others' is at hand."""
    return tuple(name for name in model.compressed if _is_to_do(model, name, store))


def _is_to_do(model: Model, name: str, store: Store) -> bool:
    try:
        return not store.has(_key(model.base, model.compressed[name]))
    except Refused:
        return False


def _changed(model: Model, name: str) -> tuple[Layer, CompressedLayer | None]:
    """A layer of the base with what its weight became; raises Refused where it has no output to speak of."""
    if name not in model.base.by_name:
        raise Refused("{layer} lies in a block that is left out, so it puts nothing out.", layer=name)
    layer = model.base.layer(name)
    refuse_broken(layer, model.base)
    return layer, model.compressed.get(name)


def _key(base: Subject, changed: CompressedLayer) -> str:
    return digest("output error", base.key, base.split("calibration").digest, changed.layer.name, changed.key)


def _measured(
    base: Subject, layer: Layer, changed: CompressedLayer, store: Store, among: Collection[str]
) -> Number:
    try:
        moment = _moment(base, layer, store, among)
    except Refused as refused:
        return _missing(refused)
    before = read_matrix(base.network, layer).double()
    lost = _power(_exact(changed) - before, moment)
    whole = store.get(
        digest("output power", base.key, base.split("calibration").digest, layer.name),
        lambda: _power(before, moment),
    )
    if lost > 0 and whole == 0:
        return Number.missing(
            "share", N_("It put out nothing but zeros before, which no error can be a share of.")
        )
    items = len(base.split("calibration"))
    return Number(lost / whole if lost > 0 else 0.0, "share", "measured", n=items)


def _moment(base: Subject, layer: Layer, store: Store, among: Collection[str]) -> Tensor:
    """Mean of x x^T [groups, in * k, in * k] float64; raises Refused where that is not to be had."""
    need = _MOMENTS * 8 * layer.groups * layer.columns**2
    if need > memory_budget():
        raise Refused(
            "How the {inputs} inputs of {layer} go together takes {need}, and the memory budget is {budget}: "
            "raise {variable}.",
            inputs=layer.columns,
            layer=layer.name,
            need=as_size(need),
            budget=as_size(memory_budget()),
            variable=VARIABLE,
        )
    moment: Tensor = derive(base, layer.name, "hessian", store, among)
    return moment


def _exact(changed: CompressedLayer) -> Tensor:
    """The weight that the layer applies [out, in * k] float64; factors are multiplied out in it."""
    kernels = [kernel.double() for kernel in changed.kernels]
    return multiplied_out(changed.layer, kernels) if changed.is_factored else kernels[0].flatten(1)


def _power(matrix: Tensor, moment: Tensor) -> float:
    """The mean squared output of a weight [out, in * k], the trace of W moment W^T."""
    rows = torch.unflatten(matrix, 0, (len(moment), -1))
    parts = (float(output_error(part, moment).sum()) for part in torch.split(rows, _ROWS_AT_ONCE, 1))
    return max(0.0, sum(parts))  # rounding alone can lead below


def _missing(refused: Refused) -> Number:
    return Number.missing("share", Phrase(refused.text, **refused.values))
