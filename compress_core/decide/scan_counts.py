"""What a model takes, as a scan notes it."""

from __future__ import annotations

from dataclasses import dataclass

from compress_core.apply.model import Model
from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.store import Store
from compress_core.measure.cost.cost import layer_costs, network_macs


@dataclass(frozen=True)
class ModelCounts:
    """Bytes of the packed file, weights that are not zero, multiply-accumulates of one item.

    parameters: of all layers that can be compressed; macs: None where they cannot be counted.
    """

    packed_bytes: int
    parameters: int
    macs: int | None

    @classmethod
    def of(cls, model: Model, store: Store) -> ModelCounts:
        """Counted exactly, from the file as it would be written."""
        packed, macs = packed_size(model, store).value, network_macs(model, store).value
        assert packed is not None, "a packed file has a length"
        parameters = sum(row.weights - row.zeros.total for row in layer_costs(model, store))
        return cls(int(packed), parameters, None if macs is None else int(macs))
