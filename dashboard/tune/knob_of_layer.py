"""The place of one knob: which layer and stage, what the recipe says there, and who listens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from compress_core.apply.model import CompressedLayer, Model
from compress_core.network.layers.kinds import Layer
from compress_core.recipe.edit import step_for_layer
from compress_core.recipe.values import Step
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.technique import Stage
from dashboard.bound_widget import is_refused, shown
from dashboard.live_slider.live_table import Moves
from dashboard.text import _
from dashboard.tune.steps import FIRST_CHOICE, MAIN_KNOB
from dashboard.view import View

MOST_PLACES = 11
COLUMN = MappingProxyType({Stage.PRUNE: "prune", Stage.FACTOR: "rank", Stage.QUANTIZE: "bits"})


@dataclass(frozen=True, eq=False)
class KnobPlaces:
    """Some places where a knob can stand: each in words, and the step that a layer has there."""

    stage: Stage
    values: tuple[float, ...]
    text_of: Callable[[float], str]
    step_at: Callable[[Step | None, float], Step | None]


def spread(places: Sequence[float]) -> tuple[float, ...]:
    """As many of ascending places as are worked out ahead, from the first to the last."""
    last, most = len(places) - 1, min(MOST_PLACES, len(places))
    return tuple(float(places[round(at * last / max(1, most - 1))]) for at in range(most))


def of_this_step() -> str:
    """What an error under a knob is the error of: each knob has one, and none is that of all three."""
    return _("Of this step alone, against the weights that it is given.")


@dataclass(frozen=True)
class KnobOfLayer:
    """One stage of the selected layer, as groups and preparations leave it.

    The keys of its widgets: `tune.LAYER.STAGE.technique`, `.slider`, and `.KNOB` for every other knob.
    """

    view: View
    model: Model
    layer: Layer
    stage: Stage
    held_by_link: bool = False

    @property
    def key(self) -> str:
        return f"tune.{self.layer.name}.{self.stage.name}"

    @property
    def slider(self) -> str:
        return f"{self.key}.slider"

    @property
    def base(self) -> Subject:
        return self.model.base

    @property
    def step(self) -> Step | None:
        """What the recipe says; None where it leaves the stage out."""
        return step_for_layer(self.view.recipe, self.layer.name, self.stage)

    @property
    def treated(self) -> Step:
        """The step whose rows are shown: that of the recipe, or the one a drag would begin with."""
        return self.step or Step.of(FIRST_CHOICE[self.stage])

    @property
    def compressed(self) -> CompressedLayer | None:
        return self.model.compressed.get(self.layer.name)

    @property
    def is_locked(self) -> bool:
        return self.held_by_link or self.layer.name in self.view.locked

    @property
    def has_main_knob(self) -> bool:
        return MAIN_KNOB[self.stage] in self.treated.method.knobs.model_fields

    def moves(self, *others: str) -> Moves:
        """What of the page the slider moves; others: the layers that share its budget."""
        return Moves((self.layer.name, *others), COLUMN[self.stage], self.view.recipe.sha)

    @property
    def is_refused(self) -> bool:
        """Whether the slider stands where the recipe could not follow."""
        return is_refused(self.slider)

    def shown(self, value: Any) -> float:
        """Where the slider has to stand: at the recipe's value, or at the one that was refused."""
        return float(shown(self.slider, value))
