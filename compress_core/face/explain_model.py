"""explain: whether a compressed model still looks at the same things."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from compress_core.apply.model import Model
from compress_core.face.checked_arguments import checked_count, checked_model, checked_name
from compress_core.face.measure_model import VALIDATION
from compress_core.face.shared_store import shared_store
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.measure.behavior.flips import flips_named
from compress_core.measure.behavior.item_table import with_file_items
from compress_core.measure.explain.attribution import method_named
from compress_core.subject.subject import Subject
from compress_core.tasks.explain_items import MOST_ITEMS, ExplainKnobs, ManyExplained, run

_LARGEST_SEED = 2**63 - 1
MOST_VALUE = 2**31 - 1


@dataclass(frozen=True, eq=False)
class ModelExplanation:
    """Attribution maps of a model and of its original on the same items; a notebook shows the similarities.

    found.explanation holds the maps [N, ...] before and after, found.chosen [N] which items they are of.
    """

    model: Model
    found: ManyExplained

    def frame(self) -> pd.DataFrame:
        """A row for each measure and group of items: median, quartiles, n, and the two bounds to read it by.

        The noise ceiling is the original against itself on hardly changed inputs, the random one the original
        against shuffled weights: the median of several draws, from lowest to highest. NaN is "not measured",
        with the reason.
        """
        return self.found.explanation.summary()

    def items(self) -> pd.DataFrame:
        """A row for each item: its place in the split, what both say of what is explained, every similarity.

        file_item: its number in the file that it came from, where that is another.
        gap_before and gap_after: the share of the score's change that maps leave out, where they should add
        up to it.
        """
        frame = self.found.explanation.items
        told = frame.assign(item=self.found.chosen[frame["item"].to_numpy()])
        return with_file_items(told, self.model.subject.split(self.found.split))

    def _repr_html_(self) -> str:
        return self.frame().to_html(index=False, na_rep="")


def explain(
    model: Model | Subject,
    method: str = "integrated_gradients",
    *,
    items: int = 50,
    split: str = VALIDATION,
    seed: int = 0,
    only: str | None = None,
    value: int | None = None,
    store: Store | None = None,
) -> ModelExplanation:
    """How alike the attribution maps of a model and of its original are, beside a ceiling and a floor.

    method: saliency, input_x_gradient, integrated_gradients, grad_cam or occlusion. items: how many, drawn
    with the seed, from 1 to 4,096. only: draw them from the items whose predicted class changed, "flips", or
    one kind of these, "right_to_wrong", "wrong_to_right" or "wrong_to_wrong". value: which of the real
    numbers is explained that a model answers with, else the first; of a model that answers with vectors it is
    the cosine with the original's own. Raises Refused where the method
    cannot explain such a network, or there are no such items.

        explain(small, "saliency", items=20, only="flips").frame()
    """
    made = checked_model(model, "explain")
    count = checked_count("items", items, 1, MOST_ITEMS)
    start = checked_count("seed", seed, 0, _LARGEST_SEED)
    chosen = method_named(checked_name("method", method))
    flips = None if only is None else flips_named(checked_name("only", only))
    number = None if value is None else checked_count("value", value, 0, MOST_VALUE)
    knobs = ExplainKnobs(
        method=chosen.name, split=checked_name("split", split), items=count, only=flips, value=number
    )
    return ModelExplanation(made, result_of(run(made, knobs, start, store or shared_store())))
