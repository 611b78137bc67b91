"""The subgroup that lost most."""

from __future__ import annotations

import numpy as np

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.measure import review_measure
from compress_core.reviews.worst_part import worst_change

NO_GROUPS = N_("No group column was given.")


@review_measure(title=N_("Worst subgroup"), unit="points", direction="higher", order=4, narrowing="root")
def subgroup_change(evidence: Evidence) -> Number:
    """Accuracy change of the subgroup that lost most; which item is in which, a column of the items says.

    Both ends hold with 95 % whichever subgroup it truly is.
    """
    if evidence.groups is None:
        return Number.missing("points", NO_GROUPS, len(evidence.split))
    return worst_change(evidence, np.unique(evidence.groups, return_inverse=True)[1])
