"""The values a quantized weight may take: evenly spaced, powers of two, a table, a table times a scale.

Each kind knows how to find the nearest level of a weight (`encode`), what a code stands for
(`decode`), both in one pass (`quantize_into`), and what must be stored beside the codes (`stored`).
"""

from compress_core.levels.exponential import Exponential, exponential_levels
from compress_core.levels.grid import Grid, affine_grid, symmetric_grid
from compress_core.levels.scaled_table import ScaledTable
from compress_core.levels.spread import spread
from compress_core.levels.table import Table

Levels = Grid | Exponential | Table | ScaledTable

__all__ = [
    "Exponential",
    "Grid",
    "Levels",
    "ScaledTable",
    "Table",
    "affine_grid",
    "exponential_levels",
    "spread",
    "symmetric_grid",
]
