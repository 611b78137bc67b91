"""What a technique declares and returns: all that a file in `techniques/` needs to import."""

from compress_core.selection.scores import Scores
from compress_core.techniques.contract.input_rules import (
    DynamicGrid,
    KeepAbove,
    KeepLargest,
    StaticGrid,
)
from compress_core.techniques.contract.results import (
    ChannelScores,
    Dropped,
    Factored,
    Folded,
    Parts,
    Pruned,
    Quantized,
    Rescaled,
    Restated,
    Shifted,
)
from compress_core.techniques.contract.technique import technique

__all__ = [
    "ChannelScores",
    "Dropped",
    "DynamicGrid",
    "Factored",
    "Folded",
    "KeepAbove",
    "KeepLargest",
    "Parts",
    "Pruned",
    "Quantized",
    "Rescaled",
    "Restated",
    "Scores",
    "Shifted",
    "StaticGrid",
    "technique",
]
