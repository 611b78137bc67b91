"""What happens to the inputs of layers, fixed once all weights are what they will be.

One pass of calibration items fixes all rules: each is worked out when the items arrive at its layer,
having passed the rules of the layers before, and is applied to them on the spot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import torch
from torch import Tensor

from compress_core.apply.argument import DependsOn, depends_on, result_at
from compress_core.apply.context import items_behind
from compress_core.apply.model import Model
from compress_core.apply.views.input_view import InputView
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store, digest
from compress_core.network.layers.kinds import LayerKind
from compress_core.network.layers.places import attach_inputs
from compress_core.network.living_memory import refuse_unless_together
from compress_core.network.shared_copy import shared_copy
from compress_core.recipe.values import Step
from compress_core.techniques.contract.input_rules import InputRule, StaticGrid

Rules = Mapping[str, tuple[InputRule, ...]]


def with_input_rules(model: Model, store: Store) -> Model:
    """The model with the input rules of its recipe in place of others; raises Refused where one cannot be."""
    asked = {layer.name: model.recipe.inputs_of(layer.name) for layer in model.base.layers}
    asked = {name: steps for name, steps in asked.items() if steps}
    if not asked:
        return model
    items = items_behind(model.subject, model.recipe.steps)
    key = digest("inputs", model.base.key, replace(model.recipe, correct=()).sha, *items)
    others = {name: rules for name, rules in model.inputs.items() if name not in asked}
    before = replace(model, inputs=MappingProxyType(others))
    rules: Rules = store.get(key, lambda: _fixed(before, asked))
    return replace(model, inputs=MappingProxyType({**others, **rules}) if others else rules)


@dataclass
class _Place:
    """Stands at a layer's input: first it counts the calls, then it fixes the rules and applies them.

    A layer that is called several times is judged on all its calls at once, so its own rules are fixed
    at the end and what comes behind it sees its inputs as they were.
    """

    name: str
    steps: tuple[Step, ...]
    calls: int = 0
    fixing: bool = False
    seen: list[Tensor] = field(default_factory=list)
    rules: tuple[InputRule, ...] = ()

    def __call__(self, values: Tensor) -> Tensor:
        if not self.fixing:
            self.calls += 1
            return values
        if self.calls > 1:
            self.seen.append(values)
            return values
        self.fix([values])
        for rule in self.rules:
            values = rule(values)
        return values

    def fix(self, seen: Sequence[Tensor]) -> None:
        """Work out one rule after the other; what the first leaves is what the second sees."""
        rules = []
        for step in self.steps:
            rules.append(self._rule(step, seen))
            seen = [rules[-1](values) for values in seen]
        self.rules = tuple(rules)

    def _rule(self, step: Step, seen: Sequence[Tensor]) -> InputRule:
        together = seen[0] if len(seen) == 1 else torch.cat([torch.zeros(0), *(v.flatten() for v in seen)])
        if not together.isfinite().all():
            raise Refused(
                "{layer} gets inputs that are not finite, so {technique} cannot be fitted to them: "
                "repair what stands before it.",
                layer=self.name,
                technique=step.technique,
            )
        rule: InputRule = result_at(step, lambda asked: InputView(asked, together))
        if isinstance(rule, StaticGrid) and together.numel() and not together.any():
            raise Refused(
                "{layer} gets nothing but zeros on the calibration items, so {technique} has no range to "
                "fit, and other items would be clipped to 0: take it out, or give items that reach it.",
                layer=self.name,
                technique=step.technique,
            )
        return rule


def _fixed(model: Model, asked: Mapping[str, tuple[Step, ...]]) -> Rules:
    """The rules of every layer that has some."""
    network = model.network()
    places = {name: _Place(name, steps) for name, steps in asked.items()}
    for name, place in places.items():
        layer = model.base.by_name[name]
        if layer.kind is LayerKind.EMBEDDING:
            raise Refused(
                "{layer} looks up rows by number, so its input cannot be rounded or thinned out: "
                "take {technique} out.",
                layer=name,
                technique=place.steps[0].technique,
            )
        attach_inputs(network, layer, [place])
    with torch.inference_mode():
        network(model.base.input.baseline)
        for place in places.values():
            _refuse_unless_called(place, model)
            place.fixing = True
        if any(DependsOn.ITEMS in depends_on(step.method) for steps in asked.values() for step in steps):
            items = model.base.split("calibration").inputs
            refuse_unless_together(shared_copy(model.base.network), items, len(items))
            network(items)
    for place in places.values():
        if not place.rules:
            place.fix(place.seen)
    return MappingProxyType({name: place.rules for name, place in places.items()})


def _refuse_unless_called(place: _Place, model: Model) -> None:
    if place.calls == 0:
        raise Refused(
            "{model} does not call {layer} as a layer, so nothing can be done to its input: "
            "take {technique} out.",
            model=model.subject.title,
            layer=place.name,
            technique=place.steps[0].technique,
        )
