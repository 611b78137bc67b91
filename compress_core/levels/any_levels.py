"""Whatever kind of levels a quantizer leaves."""

from compress_core.levels.exponential import Exponential
from compress_core.levels.grid import Grid
from compress_core.levels.scaled_table import ScaledTable
from compress_core.levels.table import Table

Levels = Grid | Exponential | Table | ScaledTable
