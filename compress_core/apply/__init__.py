"""Recipe + subject -> model, stage by stage: preparations, cuts, layers, their inputs, corrections."""

from compress_core.apply.base import groups_of
from compress_core.apply.context import CALIBRATION_ITEMS, generator_for, items_behind
from compress_core.apply.run import compress, derived, key_of, model_of, resolved_for
from compress_core.apply.views.weight_view import derive

__all__ = [
    "CALIBRATION_ITEMS",
    "compress",
    "derive",
    "derived",
    "generator_for",
    "groups_of",
    "items_behind",
    "key_of",
    "model_of",
    "resolved_for",
]
