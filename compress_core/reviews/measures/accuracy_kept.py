"""How much of the original's accuracy is kept."""

from __future__ import annotations

import numpy as np

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.mean_number import ALONE
from compress_core.measure.behavior.metric import NO_LABELS
from compress_core.measure.behavior.predictions import gained_and_lost
from compress_core.numerics.paired_ratio import share_ratio
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.measure import review_measure


@review_measure(title=N_("Accuracy kept"), unit="share", direction="higher", order=1, narrowing="root")
def accuracy_kept(evidence: Evidence) -> Number:
    """Accuracy of the compressed model as a share of the original's, on the same items.

    The interval takes the original's accuracy as measured too, not as given.

    Bonett and Price 2006, Statistics in Medicine 25, 3039-3047; MLPerf Inference states its targets so.
    """
    before, after = evidence.comparison.before, evidence.comparison.after
    if before.correct is None or after.correct is None:
        return Number.missing("share", NO_LABELS, after.n)
    if after.in_parts:
        return Number.missing("share", ALONE, after.n)
    gained, lost = gained_and_lost(before, after)
    both = int(np.count_nonzero(before.correct & after.correct))
    if not both + lost:
        return Number.missing("share", "The original gets no item right.", after.n)
    low, high = share_ratio(both, gained, lost)
    kept = (both + gained) / (both + lost)
    return Number(kept, "share", "measured", float(low), float(high), after.n)
