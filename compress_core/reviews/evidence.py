"""What is asked of two models on the same items: everything a measure may look at, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from compress_core.apply.model import Model
from compress_core.foundation.cached import cached_property
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import compare, evaluate
from compress_core.reviews.alike import NO_CLASS_TO_CHANGE, Alikeness, alikeness, no_alikeness
from compress_core.reviews.late_labels import labeled_flips, numbers_from_labels
from compress_core.reviews.timing_pair import timed_pair
from compress_core.subject.split import Split


@dataclass(frozen=True, eq=False)
class Evidence:
    """A compressed model beside the one as loaded, on the items of one split.

    labels [n]: right answers of the items on which the two disagree, in their order, where the items came
    without any; groups [N]: the subgroup of each item, where they are known. attribution, attribution_items,
    noise, batch and seed are the conditions of the gates.
    """

    model: Model
    split: Split
    store: Store
    attribution: str
    attribution_items: int
    noise: float
    batch: int
    seed: int
    labels: NDArray[np.int64] | None = None
    groups: NDArray[np.str_] | None = None

    @cached_property
    def comparison(self) -> Comparison:
        """Both models' answers."""
        return compare(self.model, self.split, self.store)

    @cached_property
    def numbers(self) -> Mapping[str, Number]:
        """Every metric of the compressed model, and its exact sizes; with what labels add that came later."""
        found = evaluate(self.model, self.split, self.store)
        if self.labels is None or self.comparison.has_labels:
            return found
        return {**found, **numbers_from_labels(self.comparison, self.labels)}

    @cached_property
    def numbers_before(self) -> Mapping[str, Number]:
        """Every number of the model as loaded."""
        return evaluate(Model.original(self.model.subject), self.split, self.store)

    @cached_property
    def changed_items(self) -> pd.DataFrame:
        """The items that changed their predicted class, as `Comparison.changed_items` gives them."""
        found = self.comparison.changed_items()
        if self.labels is None or self.comparison.has_labels:
            return found
        return labeled_flips(found, self.labels)

    @cached_property
    def alike_sample(self) -> Alikeness:
        """How alike the maps are of items drawn from all."""
        return self._alike(np.arange(len(self.split)))

    @cached_property
    def alike_flips(self) -> Alikeness:
        """The same of items that changed their predicted class, all of them unless they are many."""
        if not self.comparison.before.kind.has_classes:
            return no_alikeness(NO_CLASS_TO_CHANGE, 0)
        return self._alike(self.comparison.items_changed)

    def _alike(self, among: NDArray[np.int64]) -> Alikeness:
        told = (self.attribution_items, self.attribution, self.seed)
        return alikeness(self.model, self.split, among, *told)

    @cached_property
    def latency(self) -> tuple[Number, Number]:
        """Milliseconds of one batch before and after; measured when somebody asks for it."""
        return timed_pair(self.model, self.split, self.batch, self.seed, self.store)
