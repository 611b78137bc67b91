"""What a layer's weights have that somebody who looks at their figures should know, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.texts import Phrase

BINS = 121  # of the histograms: that of zero is one of them
_FEW = 0.01


def weight_notes(name: str, weights: NDArray[np.float32]) -> tuple[Phrase, ...]:
    """What is not finite, too small or too far away to be drawn as other weights are.

    weights [out, in * k], as loaded.
    """
    finite = weights[np.isfinite(weights)]
    if not weights.size:
        return ()
    return (*_not_finite(name, weights.size, weights.size - finite.size), *_of_finite(name, finite))


def _not_finite(name: str, weights: int, count: int) -> Iterator[Phrase]:
    if count:
        yield Phrase(
            "{layer} holds {count:,} of {weights:,} weights that are NaN or infinite: figures leave them "
            "out, and no step works on this layer until they are repaired. The other layers can be changed.",
            layer=name,
            count=count,
            weights=weights,
        )


def _of_finite(name: str, finite: NDArray[np.float32]) -> Iterator[Phrase]:
    """Of the finite ones: all equal, all next to nothing, or one so large that the rest is one bin."""
    sizes = np.abs(finite)
    largest = float(sizes.max(initial=0.0))
    if finite.size > 1 and bool((finite == finite[0]).all()):
        yield Phrase(
            "All {weights:,} finite weights of {layer} are {value:.3g}.",
            layer=name,
            weights=finite.size,
            value=float(finite[0]) + 0.0,
        )
    elif 0 < largest < np.finfo(np.float32).tiny:
        yield Phrase(
            "The largest weight of {layer} is {largest:.2g}, below what 32 bits hold in full precision "
            "(1.2e-38): much hardware reads such numbers as zero.",
            layer=name,
            largest=largest,
        )
    elif largest > 0:
        there = int(np.count_nonzero(sizes))
        near = int(np.count_nonzero((sizes > 0) & (sizes <= largest / BINS)))
        if there - near <= max(1, _FEW * there) and near > 1:
            yield Phrase(
                "The largest weight of {layer} is {largest:.3g}: {share:.1f} % of those that are not zero "
                "are so much smaller that they share the bin around zero.",
                layer=name,
                largest=largest,
                share=100 * near / there,
            )
