"""What the solver of a budget found, as plain values that outlive its process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compress_core.decide.budgeting import Budgeted
from compress_core.foundation.number import Number
from compress_core.foundation.plain_json import number_as_json, number_from_json
from compress_core.recipe.reading import read_resolved
from compress_core.recipe.values import ResolvedRecipe

TOLD = ("accuracy", "accuracy_change", "kl", "churn")


@dataclass(frozen=True)
class BudgetFound:
    """A recipe within its limits, and what was measured of it.

    chosen: the steps of each place, by the key of its options. cost, limits: by resource, of the real model
    and as asked. kl_solved, kl_polished: nats, measured on n items before and after so many mutations, of
    which some were accepted. numbers: on all validation items, against the model it was made of, and
    milliseconds where they are limited; worst_class: points, None without labels. made_milder: places that
    were until the drop held; holds: whether drop and time do.
    """

    recipe: ResolvedRecipe
    chosen: Mapping[str, Sequence[Mapping[str, Any]]]
    limits: Mapping[str, float]
    cost: Mapping[str, float]
    kl_estimated: float
    gap: float
    kl_solved: float
    kl_polished: float
    n: int
    evaluations: int
    accepted: int
    numbers: Mapping[str, Number]
    worst_class: float | None
    made_milder: tuple[str, ...]
    holds: bool

    @classmethod
    def of(cls, found: Budgeted) -> BudgetFound:
        """The plain values of what was found."""
        polished, checked = found.polished, found.checked
        numbers = {name: checked.numbers[name] for name in TOLD if name in checked.numbers}
        if found.time is not None:
            numbers["milliseconds"] = found.time
        return cls(
            found.model.recipe,
            {
                place.key: [step.as_json() for step in option.steps]
                for place, option in zip(found.table.places, checked.solution.options, strict=True)
            },
            {resource.value: limit for resource, limit in found.limits.items()},
            {resource.value: cost for resource, cost in checked.solution.cost.items()},
            found.estimated_kl,
            found.gap,
            polished.before,
            polished.after,
            polished.n,
            polished.evaluations,
            polished.accepted,
            numbers,
            checked.worst_class,
            checked.made_milder,
            found.holds,
        )

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; texts can still be translated."""
        plain = {name: value for name, value in vars(self).items() if name not in {"recipe", "numbers"}}
        numbers = {name: number_as_json(number) for name, number in self.numbers.items()}
        return {
            **plain,
            "chosen": {key: list(steps) for key, steps in self.chosen.items()},
            "limits": dict(self.limits),
            "cost": dict(self.cost),
            "made_milder": list(self.made_milder),
            "recipe": self.recipe.as_json(),
            "numbers": numbers,
        }

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> BudgetFound:
        """The reverse of `as_json`."""
        numbers = {name: number_from_json(number) for name, number in said["numbers"].items()}
        made = {"recipe": read_resolved(said["recipe"]), "numbers": numbers}
        return cls(**{**said, **made, "made_milder": tuple(said["made_milder"])})
