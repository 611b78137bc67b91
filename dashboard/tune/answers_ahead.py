"""What the compressed model would answer to one item at some places of each knob of a layer, found ahead.

So the item follows a knob while it moves. It is worked out behind the page, of layers that are not too large.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from compress_core.apply.lineage import with_recipe
from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import digest
from compress_core.measure.behavior.item_pass import item_pass
from compress_core.recipe.edit import in_order
from compress_core.recipe.values import ResolvedRecipe
from compress_core.subject.split import Split
from compress_core.techniques.contract.technique import Stage
from dashboard import engine
from dashboard.item_bars.item_bars import AnswersAhead, Shares
from dashboard.long_searches import GroupsNotFoundError, made
from dashboard.tune import bits_knob, prune_knob, rank_knob
from dashboard.tune.knob_of_layer import KnobOfLayer, KnobPlaces
from dashboard.tune.steps import after_change
from dashboard.view import View

MOST_WEIGHTS = 2**20  # of a layer: each place holds on to another version of it
_PLACES: Mapping[Stage, Callable[[KnobOfLayer], KnobPlaces | None]] = {
    Stage.PRUNE: prune_knob.places,
    Stage.FACTOR: rank_knob.places,
    Stage.QUANTIZE: bits_knob.places,
}


@dataclass(frozen=True, eq=False)
class _Work:
    """All that is needed to work it out on another thread, where no session is."""

    view: View
    model: Model
    split: Split
    item: int
    knobs: Mapping[str, KnobPlaces]

    @property
    def key(self) -> str:
        of = (self.model.key, self.view.layer, self.split.digest, self.item, sorted(self.view.locked))
        asked = [(name, stage_places.values) for name, stage_places in self.knobs.items()]
        return digest("answers ahead", *map(str, of), str(asked))

    def done(self) -> dict[str, dict[float, Shares]]:
        """By the key of a knob and its places; one at which the change is refused is left out."""
        found = {
            name: {value: self._answer(places, value) for value in places.values}
            for name, places in self.knobs.items()
        }
        return {name: {v: s for v, s in row.items() if s is not None} for name, row in found.items()}

    def _answer(self, places: KnobPlaces, value: float) -> Shares | None:
        layer, subject = self.view.layer, self.model.subject
        try:
            recipe = after_change(
                self.view, self.model, layer, places.stage, lambda before: places.step_at(before, value)
            )
            moved = made(subject, with_recipe(self.view.lineage, _ordered(recipe, self.model)))
            found = item_pass(subject, moved.network(), subject.layer(layer), self.split, self.item)
            shares: Shares = found.predictions.probabilities[0]
        except GroupsNotFoundError:  # not refused for good: nothing is kept of this
            raise
        except Refused:
            return None
        return shares


def _knobs(view: View, model: Model) -> dict[str, KnobPlaces]:
    """The places of every knob of the selected layer that can be moved."""
    name = view.layer
    base = model.base
    if name not in base.by_name or name in base.problems or base.layer(name).weights > MOST_WEIGHTS:
        return {}
    knobs = [KnobOfLayer(view, model, base.layer(name), stage) for stage in _PLACES]
    found = {} if name in view.locked else {knob.slider: _PLACES[knob.stage](knob) for knob in knobs}
    return {slider: places for slider, places in found.items() if places is not None}


def _bytes(found: Mapping[str, Mapping[float, Shares]]) -> int:
    return 4096 + sum(shares.nbytes for row in found.values() for shares in row.values())


def _ordered(recipe: ResolvedRecipe, model: Model) -> ResolvedRecipe:
    return in_order(recipe, list(model.subject.by_name))


def answers_ahead(view: View, model: Model, split: Split, item: int) -> dict[str, AnswersAhead] | None:
    """By the key of a knob, what was worked out; None while that is being done."""
    work = _Work(view, model, split, item, _knobs(view, model))
    store = engine.store()
    if not work.knobs:
        return {}
    if not store.has(work.key):
        ended = engine.answers_worked_out(work.key, lambda: store.get(work.key, work.done, _bytes))
        if not store.has(work.key):
            return {} if ended else None
    found: dict[str, dict[float, Shares]] = store.get(work.key, dict)
    return {name: _in_words(work.knobs[name], row) for name, row in found.items() if row}


def _in_words(places: KnobPlaces, row: Mapping[float, Shares]) -> AnswersAhead:
    return AnswersAhead(list(row), [places.text_of(value) for value in row], list(row.values()))
