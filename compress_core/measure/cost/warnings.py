"""What a recipe does that its maker may not want: said in sentences, not refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from torch import Tensor

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.measure.cost.factor_cost import factor_warnings
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import read_matrix
from compress_core.network.layers.side import Side
from compress_core.selection.patterns import LayerShape, NOfM, largest_n_of_m
from compress_core.statistics import statistics
from compress_core.statistics.compressed_hessian import compressed_hessian
from compress_core.statistics.hessian import hessian

_SECOND_MOMENTS = {hessian.__name__, compressed_hessian.__name__}
PATTERNS = (NOfM(1, 4), NOfM(2, 4), NOfM(4, 8))  # those that hardware or libraries know


def recipe_warnings(model: Model) -> tuple[Phrase, ...]:
    """What of an earlier step a later one undoes, and where a step makes a layer larger or slower."""
    return (
        *_patterns_lost(model),
        *_ragged_patterns(model),
        *_more_inputs_than_items(model),
        *factor_warnings(model),
    )


def holds_pattern(matrix: Tensor, layer: Layer, pattern: NOfM) -> bool:
    """Whether of every m neighboring inputs at most n weights are nonzero, and some are zero.

    matrix [out, in * k].
    """
    try:
        kept = largest_n_of_m(matrix.abs(), LayerShape(layer.name, layer.kernel_shape, layer.groups), pattern)
    except Refused:
        return False
    return bool((matrix == 0).any()) and not bool(matrix[~kept].any())


def _patterns_lost(model: Model) -> Iterator[Phrase]:
    """Removing input channels shifts the others: what was a pattern of neighbors is one no longer."""
    entered = {cut.module for cut in model.base.structure.cuts if cut.side is Side.IN}
    for layer in model.subject.layers:
        small = model.base.by_name.get(layer.name)
        if layer.name not in entered or small is None:
            continue
        before = read_matrix(model.subject.network, layer)
        after = read_matrix(model.base.network, small)
        for pattern in PATTERNS:
            if holds_pattern(before, layer, pattern) and not holds_pattern(after, small, pattern):
                yield Phrase(
                    "{layer} came with a pattern {n}:{m}, which the removed channels destroy: cut in "
                    "multiples of {m} neighbors, or prune it with pattern {n}:{m} again.",
                    layer=layer.name,
                    n=pattern.n,
                    m=pattern.m,
                )
                break


def _ragged_patterns(model: Model) -> Iterator[Phrase]:
    for name, steps in model.recipe.layers:
        small = model.base.by_name.get(name)
        pattern = next((s.pattern for s in steps if isinstance(s.pattern, NOfM)), None)
        if small is not None and pattern is not None and small.kernel_shape[1] % pattern.m:
            yield Phrase(
                "{layer} has {inputs} input channels, which is no multiple of {m}: hardware for {pattern} "
                "needs one, so keep multiples of {m} channels in its group.",
                layer=name,
                inputs=small.kernel_shape[1],
                m=pattern.m,
                pattern=str(pattern),
            )


def _more_inputs_than_items(model: Model) -> Iterator[Phrase]:
    """How inputs go together cannot be told from fewer items than there are inputs."""
    items = model.base.splits.get("calibration")
    for name, steps in model.recipe.layers:
        layer = model.base.by_name.get(name)
        step = next((s for s in steps if _asks_how_inputs_go_together(s.method.needs)), None)
        if layer is None or step is None or items is None:
            continue
        if layer.columns > len(items) * max(1, layer.positions or 1):
            told = {"layer": name, "inputs": layer.columns, "technique": step.technique, "items": len(items)}
            yield _use_more(model, told)


def _use_more(model: Model, told: Mapping[str, object]) -> Phrase:
    """What to do about it: only where items are left over there are more to use."""
    all_of_them = len(model.subject.splits["calibration"])
    if len(model.base.splits["calibration"]) < all_of_them:
        return Phrase(
            "{layer} has {inputs} inputs, and {technique} tells from {items} calibration items how they "
            "go together: with fewer items than inputs it leans on chance. Use more of the {there} items "
            "(calibration: items), or more damping.",
            **told,
            there=all_of_them,
        )
    return Phrase(
        "{layer} has {inputs} inputs, and {technique} tells from all {items} calibration items how they go "
        "together: with fewer items than inputs it leans on chance. Bring a model with more items, or use "
        "more damping.",
        **told,
    )


def _asks_how_inputs_go_together(needs: Iterable[str]) -> bool:
    """Whether the second moment of a layer's input is asked for, be it by way of another statistic."""
    known = statistics()
    return any(
        name in _SECOND_MOMENTS or (name in known and _asks_how_inputs_go_together(known[name].needs))
        for name in needs
    )
