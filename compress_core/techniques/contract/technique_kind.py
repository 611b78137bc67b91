"""What sort of technique one is, from what it returns."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from compress_core.foundation.texts import N_
from compress_core.selection.scores import Scores
from compress_core.techniques.contract.input_rules import DynamicGrid, KeepAbove, KeepLargest, StaticGrid
from compress_core.techniques.contract.results import (
    ChannelScores,
    Dropped,
    Factored,
    Folded,
    KeptUnits,
    Pruned,
    Quantized,
    Rescaled,
    Restated,
    Shifted,
)


class TechniqueKind(StrEnum):
    """A sort of technique; the value is what it is called, in a word or two that can be translated."""

    PREPARATION = N_("preparation")
    GROUP_CRITERION = N_("group criterion")
    BLOCK_REMOVAL = N_("block removal")
    FACTORIZER = N_("factorizer")
    CRITERION = N_("criterion")
    PRUNER = N_("pruner")
    QUANTIZER = N_("quantizer")
    INPUT_QUANTIZER = N_("input quantizer")
    ACTIVATION_SPARSIFIER = N_("activation sparsifier")
    CORRECTION = N_("correction")


KIND_OF = MappingProxyType(
    {
        Folded: TechniqueKind.PREPARATION,
        Rescaled: TechniqueKind.PREPARATION,
        KeptUnits: TechniqueKind.PREPARATION,
        ChannelScores: TechniqueKind.GROUP_CRITERION,
        Dropped: TechniqueKind.BLOCK_REMOVAL,
        Factored: TechniqueKind.FACTORIZER,
        Scores: TechniqueKind.CRITERION,
        Pruned: TechniqueKind.PRUNER,
        Quantized: TechniqueKind.QUANTIZER,
        StaticGrid: TechniqueKind.INPUT_QUANTIZER,
        DynamicGrid: TechniqueKind.INPUT_QUANTIZER,
        KeepAbove: TechniqueKind.ACTIVATION_SPARSIFIER,
        KeepLargest: TechniqueKind.ACTIVATION_SPARSIFIER,
        Shifted: TechniqueKind.CORRECTION,
        Restated: TechniqueKind.CORRECTION,
    }
)
