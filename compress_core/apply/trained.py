"""What a training leaves: weights that no recipe makes again. They are kept as files of their model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from torch import Tensor

from compress_core.apply.lineage import Train
from compress_core.apply.model import CompressedLayer, Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store, digest
from compress_core.foundation.stored_value import from_bytes, to_bytes
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.input_rules import InputRule

FILE = "trained"


@dataclass(frozen=True, eq=False)
class TrainedWeights:
    """The layers of the base by name, a weight for each part, and by its name in the state all that changed.

    rest: biases, norms with their statistics, and whatever else learned; inputs: the rules at the inputs of
    layers, where the model has some.
    """

    layers: Mapping[str, tuple[EncodedWeight, ...]]
    rest: Mapping[str, Tensor]
    inputs: Mapping[str, tuple[InputRule, ...]] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        parts = (encoded for layer in self.layers.values() for encoded in layer)
        return sum(encoded.weight.nbytes for encoded in parts) + sum(t.nbytes for t in self.rest.values())


def trained_model(parent: Model, operation: Train, weights: TrainedWeights, key: str) -> Model:
    """The parent with other weights in the forms that training left."""
    layers = {
        name: CompressedLayer(
            parent.base.by_name[name],
            encoded,
            digest(key, name),
            parent.compressed[name].small if name in parent.compressed else (),
        )
        for name, encoded in weights.layers.items()
    }
    rest = MappingProxyType({**parent.rest, **weights.rest})
    made, inputs = MappingProxyType(layers), MappingProxyType({**parent.inputs, **weights.inputs})
    return Model(parent.subject, parent, operation, parent.base, made, key, inputs, rest)


def keep_trained(key: str, weights: TrainedWeights, store: Store) -> None:
    """Keep the weights of a trained model by its key; raises Refused where the disk does not take them."""
    store.get(_name(key), lambda: weights, lambda w: w.nbytes)
    if store.workspace is not None and not store.workspace.results.keep(_name(key), FILE, to_bytes(weights)):
        raise Refused(
            "The trained weights take {mebibytes:,} MiB, more than a workspace keeps of one model: "
            "train a smaller model, or give the workspace more room.",
            mebibytes=weights.nbytes >> 20,
        )


def kept_weights(key: str, store: Store) -> TrainedWeights:
    """The weights that a training left; raises Refused where they are not there."""

    def read() -> TrainedWeights:
        content = None if store.workspace is None else store.workspace.results.find(_name(key))
        if content is None:
            raise Refused(
                "The weights of this training are not in the workspace any more: train once more; the same "
                "training on the same machine gives the same weights."
            )
        found: TrainedWeights = from_bytes(content)
        return found

    return store.get(_name(key), read, lambda w: w.nbytes)


def kept_files(key: str, store: Store) -> Mapping[str, bytes]:
    """The weights of a training as the workspace holds them, by the name of their file; empty without."""
    content = None if store.workspace is None else store.workspace.results.find(_name(key))
    return {} if content is None else {FILE: content}


def is_kept(key: str, store: Store) -> bool:
    """Whether the weights of a training are there."""
    kept = store.workspace is not None and store.workspace.results.has(_name(key))
    return kept or store.has(_name(key))


def _name(key: str) -> str:
    """No release in it: trained weights are worth keeping when the program changes."""
    return digest("trained", key)
