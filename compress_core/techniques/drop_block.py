"""Leaving out a residual block."""

from __future__ import annotations

from compress_core.techniques.contract.results import Dropped
from compress_core.techniques.contract.technique import technique


@technique
def drop_block() -> Dropped:
    """Leave out a whole residual block: what comes in goes out along its shortcut.

    Takes no weight and has no knob; on offer for blocks that return their input when all their parameters
    are zero.

    Veit et al. 2016, Residual Networks Behave Like Ensembles, arXiv:1605.06431, section 4.1.
    """
    return Dropped()
