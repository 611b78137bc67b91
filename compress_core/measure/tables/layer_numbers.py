"""Every number of every layer, the same for the table on a page, for a file and for the command line."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.measure.cost.cost import LayerCost, layer_costs
from compress_core.measure.tables.output_errors import output_errors

_NOT_RUN = N_("The layer did not run on the example input.")
_WHOLE = N_("The layer is not factored.")


def layer_numbers(model: Model, store: Store) -> Mapping[str, Mapping[str, Number]]:
    """What each layer costs now and did as loaded, and the error of its output, by layer and by name.

    output_error: see `error_of_output`; it is measured here where that was not done before.
    """
    costs = {cost.layer.name: cost for cost in layer_costs(model, store)}
    errors = output_errors(model, store, costs)
    return {name: {**_counted(cost), "output_error": errors[name]} for name, cost in costs.items()}


def _counted(cost: LayerCost) -> Mapping[str, Number]:
    zeros = cost.zeros
    return {
        "weights": _exact(cost.weights, "weight"),
        "sparsity": _exact(cost.share_of_weights(zeros.total), "share"),
        "pruned": _exact(zeros.pruned, "weight"),
        "quantized_to_zero": _exact(zeros.quantized, "weight"),
        "zero_before": _exact(zeros.original, "weight"),
        "bytes_before": _exact(cost.bytes_before, "byte"),
        "bytes": _exact(cost.bytes, "byte"),
        "macs": _exact(cost.macs, "MAC", _NOT_RUN),
        "rank": _exact(cost.rank, "rank", _WHOLE),
    }


def _exact(value: float | None, unit: str, reason: str = "") -> Number:
    return Number.missing(unit, reason) if value is None else Number(value, unit, "exact")


def layer_frame(model: Model, store: Store) -> pd.DataFrame:
    """The same as a table: a row for each layer with its kind and shape.

    Counts are whole numbers, sparsity and output_error shares; output_error_note says why one is missing.
    """
    numbers = layer_numbers(model, store)
    layers = model.subject.layers
    first = {
        "layer": [layer.name for layer in layers],
        "kind": [str(layer.label) for layer in layers],
        "shape": ["x".join(map(str, layer.kernel_shape)) for layer in layers],
    }
    names = next(iter(numbers.values()), {})
    columns = {name: _column([numbers[layer.name][name] for layer in layers]) for name in names}
    errors = [numbers[layer.name]["output_error"] for layer in layers]
    notes = {"output_error_note": [str(error.reason or "") for error in errors]}
    return pd.DataFrame({**first, **columns, **notes})


def _column(numbers: list[Number]) -> object:
    values = [number.value for number in numbers]
    is_share = any(number.unit == "share" for number in numbers)
    return pd.array(values, dtype="Float64" if is_share else "Int64")
