"""Search among all recipes for the best trade-offs: estimate each, really evaluate the promising.

What was evaluated is kept under its content at once, and everything else follows from the seed. So a search
that was interrupted is asked for again, finds what it had measured, and ends as an undisturbed one.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from compress_core.apply.model import Model
from compress_core.apply.run import compressed_further
from compress_core.decide.estimate import Estimator, Pair, estimator_of
from compress_core.decide.estimated_size import SizeEstimator, bytes_estimator, macs_estimator
from compress_core.decide.hypervolume import most_promising
from compress_core.decide.knob_positions import recipe_at
from compress_core.decide.recipe_numbers import numbers_of_run
from compress_core.decide.search_plan import NO_LABELS, Objective, SearchPlan, no_accuracy
from compress_core.decide.search_space import FreePlace, places_of, seeds
from compress_core.decide.searched import Evaluated, Generation, Looked, Positions, Search, costs_of
from compress_core.decide.sensitivity import Sensitivity
from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import Phrase
from compress_core.measure.cost.cost import network_macs
from compress_core.numerics.arrays import Floats
from compress_core.recipe.values import ResolvedRecipe

if TYPE_CHECKING:
    from optuna.study import Study

AT_ONCE = 20
"""Recipes that are proposed together: a generation."""
SEEDS = 12
MOST_LOSS = {Objective.ACCURACY: 30.0, Objective.KL: 1.0}
"""What loses more is of no interest: points, nats."""


def search(
    parent: Model, sensitivity: Sensitivity, plan: SearchPlan, seed: int, store: Store
) -> Generator[Progress, None, Search]:
    """Look at `plan.trials` recipes, run the `plan.evaluations` most promising; yields after each that ran.

    Each generation is estimated; of all that were not run, those that add most to the front are, and what
    they measure corrects later estimates and tells the sampler the truth.

    Raises Refused where nothing was scanned, everything is locked, or an accuracy is asked for in vain.
    """
    searching = _Searching.begun(parent, sensitivity, plan, store)
    study = _study(plan, seed)
    begun_with = seeds(searching.places, searching.estimator, searching.bytes, min(SEEDS, plan.trials))
    for at in begun_with:
        study.enqueue_trial({k: v for place in searching.places for k, v in _drawn(place, at)})
    split = parent.subject.split(sensitivity.split)
    found = Search(plan, seed, split.name, len(split), (), len(begun_with))
    while len(found.looked) < plan.trials:
        asked = [study.ask() for _ in range(min(AT_ONCE, plan.trials - len(found.looked)))]
        new = [searching.looked_at(len(found.looked) + i, trial) for i, trial in enumerate(asked)]
        found = replace(found, looked=found.looked + tuple(new))
        due = round(plan.evaluations * len(found.looked) / plan.trials)
        while len(searching.run) < due:
            chosen = searching.most_promising(found)
            if chosen is None:
                break
            yield Generation(
                len(found.looked),
                plan.trials,
                Phrase("run {done} of {count} recipes", done=len(searching.run), count=plan.evaluations),
                found,
                partial(searching.coming, found),
            )
            searching.evaluate(chosen)
            found = searching.with_results(found)
        searching.correct()
        for trial, each in zip(asked, found.looked[-len(asked) :], strict=True):
            study.tell(trial, searching.told(each))
    return found


def _drawn(place: FreePlace, recipe: Positions) -> list[tuple[str, Any]]:
    """What the sampler draws for a place; a group and a layer of one name are told apart by their knobs."""
    mine = [each for each in recipe if each.place == place.name and each.family in place.knobs]
    return list(place.as_drawn(mine).items())


def _study(plan: SearchPlan, seed: int) -> Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler: optuna.samplers.BaseSampler
    if plan.sampler == "nsga2":
        sampler = optuna.samplers.NSGAIISampler(population_size=AT_ONCE, seed=seed)
    else:
        sampler = optuna.samplers.TPESampler(n_startup_trials=AT_ONCE, seed=seed)
    return optuna.create_study(directions=["minimize"] * len(plan.objectives), sampler=sampler)


@dataclass(eq=False)
class _Searching:
    """A search under way: its estimators, which learn, and what was run."""

    parent: Model
    sensitivity: Sensitivity
    plan: SearchPlan
    store: Store
    places: tuple[FreePlace, ...]
    first: Estimator
    bytes: SizeEstimator
    macs: SizeEstimator | None
    estimator: Estimator
    run: dict[Positions, Evaluated | str] = field(default_factory=dict)

    @classmethod
    def begun(cls, parent: Model, sensitivity: Sensitivity, plan: SearchPlan, store: Store) -> _Searching:
        layers = parent.base.layers
        whole = packed_size(parent, store).value
        assert whole is not None, "a file has a size"
        weights = {layer.name: layer.weights for layer in layers}
        network = network_macs(parent, store).value
        if Objective.MACS in plan.objectives and network is None:
            raise Refused("The multiplications of this network cannot be counted: search without macs.")
        estimator = estimator_of(sensitivity, {layer.name: layer.highest_rank for layer in layers})
        missing = no_accuracy(parent.subject, sensitivity.split)
        if Objective.ACCURACY in plan.objectives and (missing is not None or estimator.damage is None):
            raise Refused(missing or NO_LABELS)
        macs = {layer.name: layer.macs or 0 for layer in layers}
        return cls(
            parent,
            sensitivity,
            plan,
            store,
            places_of(sensitivity, plan.locked),
            estimator,
            bytes_estimator(sensitivity, whole, weights),
            None if network is None else macs_estimator(sensitivity, network, macs),
            estimator,
        )

    def looked_at(self, number: int, trial: Any) -> Looked:
        positions = tuple(position for place in self.places for position in place.drawn(trial))
        return Looked(number, positions, self.estimated(positions))

    def estimated(self, positions: Positions) -> dict[Objective, float]:
        kl = self.estimator.divergence(positions)
        change = self.estimator.change(positions)
        found = {Objective.KL: kl, Objective.PACKED_BYTES: self.bytes.of(positions)}
        if change is not None:
            found[Objective.ACCURACY] = change
        if self.macs is not None:
            found[Objective.MACS] = self.macs.of(positions)
        return found

    def most_promising(self, found: Search) -> Looked | None:
        """Of what was not run, the recipe that adds most to the front; None where all were."""
        return next(iter(self._promising(found, 1)), None)

    def coming(self, found: Search, most: int) -> list[ResolvedRecipe]:
        """The recipe that is run next, and those that would follow if each measured what is estimated."""
        return [recipe_at(each.positions, self.sensitivity) for each in self._promising(found, most)]

    def _promising(self, found: Search, most: int) -> list[Looked]:
        waiting = {each.positions: each for each in reversed(found.looked) if each.positions not in self.run}
        if not waiting:
            return []
        candidates = sorted(waiting.values(), key=lambda each: each.number)
        known = [self.told_of_run(each) for each in self.run.values() if isinstance(each, Evaluated)]
        costs = np.array([self._scaled(self._estimated_costs(each.positions)) for each in candidates])
        width = len(self.plan.objectives)
        seen = np.array([self._scaled(each) for each in known]).reshape(-1, width)
        return [candidates[best] for best in most_promising(seen, costs, np.ones(width), most)]

    def _estimated_costs(self, positions: Positions) -> list[float]:
        estimated = self.estimated(positions)
        return [objective.as_cost(estimated[objective]) for objective in self.plan.objectives]

    def _scaled(self, costs: Sequence[float]) -> Floats:
        """Each from 0 to 1: losses up to the most that is of interest, sizes by their logarithm."""
        return np.array(
            [self._on_scale(o, cost) for o, cost in zip(self.plan.objectives, costs, strict=True)]
        )

    def _on_scale(self, objective: Objective, cost: float) -> float:
        if objective.is_quality:
            return cost / MOST_LOSS[objective]
        whole = self.bytes.whole if self.macs is None or objective is not Objective.MACS else self.macs.whole
        return float(1 + np.log10(max(cost, 1.0) / whole) / 3)

    def evaluate(self, each: Looked) -> None:
        """Really compress and run a recipe, or know of it from before."""
        recipe = recipe_at(each.positions, self.sensitivity)
        try:
            model = compressed_further(self.parent, recipe.as_recipe(), self.store)
            numbers = numbers_of_run(model, self.parent, self.store)
            self.run[each.positions] = Evaluated(each.positions, model.recipe, model.key, numbers)
        except Refused as refused:
            self.run[each.positions] = str(refused)

    def with_results(self, found: Search) -> Search:
        looked = tuple(self._with_result(each) for each in found.looked)
        return replace(found, looked=looked)

    def _with_result(self, each: Looked) -> Looked:
        match self.run.get(each.positions):
            case Evaluated() as run:
                return replace(each, evaluated=run)
            case str() as reason:
                return replace(each, refused=reason)
        return each

    def correct(self) -> None:
        """Let what was run correct the estimates of what comes."""
        run = [each for each in self.run.values() if isinstance(each, Evaluated)]
        pairs = [_pair(each) for each in run if each.numbers[Objective.KL].value is not None]
        self.estimator = self.first.corrected([pair for pair in pairs if pair is not None])
        self.bytes = self.bytes.corrected(
            [(each.positions, _value(each, Objective.PACKED_BYTES)) for each in run]
        )

    def told_of_run(self, run: Evaluated) -> list[float]:
        return costs_of(run, self.plan)

    def told(self, each: Looked) -> list[float] | None:
        """What the sampler hears: what was measured, else what is estimated now."""
        match self.run.get(each.positions):
            case Evaluated() as run:
                costs = self.told_of_run(run)
            case str():
                costs = [float("inf")] * len(self.plan.objectives)
            case _:
                costs = self._estimated_costs(each.positions)
        return [1e18 if not np.isfinite(cost) else cost for cost in costs]


def _value(found: Evaluated, objective: Objective) -> float:
    value = found.numbers[objective].value
    assert value is not None, "a size is always known"
    return value


def _pair(found: Evaluated) -> Pair | None:
    kl = found.numbers[Objective.KL].value
    return None if kl is None else Pair(found.positions, kl, found.numbers[Objective.ACCURACY].value)
