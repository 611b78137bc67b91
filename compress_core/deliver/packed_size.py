"""How long the packed file of a model is, without writing it."""

from __future__ import annotations

from compress_core.apply.model import Model
from compress_core.deliver.packed_file import pack_bytes
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store, digest


def packed_size(model: Model, store: Store) -> Number:
    """Bytes of the packed file, which is made for it and let go again; made once for each model."""
    return store.get(_key(model), lambda: Number(float(len(pack_bytes(model))), "byte", "measured"))


def packed_size_at_hand(model: Model, store: Store) -> Number | None:
    """The same where it is known already; None otherwise, and nothing is packed for it."""
    return packed_size(model, store) if is_packed(model, store) else None


def is_packed(model: Model, store: Store) -> bool:
    """Whether that is known already."""
    return store.has(_key(model))


def _key(model: Model) -> str:
    return digest("packed size", model.key, model.subject.name)  # the file names its model
