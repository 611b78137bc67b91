"""What of a model stays as it is stored when a recipe is put on top of it: masks, codes, rules at inputs.

The steps of that recipe work on the model as a subject of its own, its *ground*, whose values are those
that the model applies. Zeros do not say whether they were pruned, and values not which code they had: that
is taken from the model, cut as the ground is cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store, digest
from compress_core.levels.row_choice import inputs_sharing_a_scale, levels_of_rows
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import read_matrix
from compress_core.recipe.values import ResolvedRecipe
from compress_core.selection.select import ExplicitMask
from compress_core.structure.structure import Structure
from compress_core.subject.subject import Subject, restructured
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.input_rules import DynamicGrid, InputRule, KeepLargest
from compress_core.techniques.contract.results import Quantized
from compress_core.techniques.contract.technique import Stage


def ground_of(model: Model, store: Store) -> Subject:
    """The model as a subject of its own, without rules at inputs; the subject itself where nothing was done.

    Its structure begins anew. Raises Refused where a layer was factored.
    """
    if not model.is_changed:
        return model.subject
    for name, compressed in model.compressed.items():
        if compressed.is_factored:
            raise Refused(
                "{layer} was factored, and a model with small layers in the place of one is not compressed "
                "once more: put all steps into one recipe.",
                layer=name,
            )
    key = digest("ground", model.key)

    def make() -> Subject:
        network = replace(model, inputs=MappingProxyType({})).network()
        return restructured(model.base, network, Structure(), key)

    return store.get(key, make).shown_as(model.subject)


def kept_forms(
    model: Model, ground: Subject, base: Subject, resolved: ResolvedRecipe
) -> dict[str, EncodedWeight]:
    """The coded weights of a model, for the layers of the base that was made of its ground, by name.

    Raises Refused where codes cannot stay.
    """
    found: dict[str, EncodedWeight] = {}
    for name, compressed in model.compressed.items():
        if name not in base.by_name:
            continue
        (encoded,) = compressed.encoded
        small, again = base.by_name[name], resolved.step(name, Stage.QUANTIZE) is not None
        form = _cut(encoded, ground, base, small, again=again)
        values = read_matrix(base.network, small)
        if not torch.equal(form.weight, values):
            form = _with_values(form, values, small.name)
        if form.is_changed:
            found[name] = form
    return found


def _cut(
    encoded: EncodedWeight, ground: Subject, base: Subject, small: Layer, *, again: bool
) -> EncodedWeight:
    """The form of a weight with the rows and columns that are left; again: its codes are to be replaced."""
    loaded = ground.by_name[small.name]
    is_whole = loaded.kernel_shape == small.kernel_shape
    at = torch.arange(loaded.weights).view(loaded.rows, -1)
    at = at if is_whole else base.structure.places(ground.network, loaded, small)
    quantized = encoded.quantized
    if quantized is not None:
        quantized = None if again else _levels_at(quantized, encoded.codes, at, loaded, whole=is_whole)
    mask = None if encoded.mask is None else encoded.mask.tensor.reshape(-1)[at]
    return EncodedWeight(
        encoded.values.reshape(-1)[at],
        None if mask is None or bool(mask.all()) else ExplicitMask(mask),
        quantized,
        encoded.value_type,
    )


def _levels_at(quantized: Quantized, codes: Tensor, at: Tensor, layer: Layer, *, whole: bool) -> Quantized:
    """Levels and codes of the places [out, in] that are left of a weight."""
    shared = inputs_sharing_a_scale(quantized.levels)
    if not whole and shared is not None and shared < layer.columns and at.shape[1] != layer.columns:
        raise Refused(
            "{layer} has a scale for every {group} inputs, which a cut of its inputs would tear apart: cut "
            "before quantizing, or quantize {layer} once more in this recipe.",
            layer=layer.name,
            group=shared,
        )
    rows = at[:, 0] // layer.columns
    return Quantized(levels_of_rows(quantized.levels, rows), codes.reshape(-1)[at])


def _with_values(form: EncodedWeight, values: Tensor, name: str) -> EncodedWeight:
    """The form with the values [out, in] that a preparation left; raises Refused where they had codes."""
    if form.quantized is not None:
        raise Refused(
            "{layer} is quantized, and a preparation changes its values: prepare before quantizing, or "
            "quantize it once more in this recipe.",
            layer=name,
        )
    mask = None if form.mask is None else ExplicitMask(form.mask.tensor | (values != 0))
    return EncodedWeight(values, mask)


def kept_rules(model: Model, base: Subject) -> Mapping[str, tuple[InputRule, ...]]:
    """The rules at inputs of a model, for a base with its layers.

    Raises Refused where a rule would do something else, since fewer channels arrive or a bias took one over.
    """
    for name, rules in model.inputs.items():
        if name not in base.by_name:
            continue
        was, now = model.base.by_name[name].kernel_shape, base.by_name[name].kernel_shape
        of_all = any(isinstance(rule, DynamicGrid | KeepLargest) for rule in rules)
        newly = set(base.structure.rescaled) - set(model.base.structure.rescaled)
        if (was[1] != now[1] and of_all) or name in newly:
            raise Refused(
                "What {layer} is given is rounded or thinned out by a rule that was made for it, and "
                "something else would arrive: prepare and cut first, and put the rule on what is left.",
                layer=name,
            )
    return MappingProxyType({name: rules for name, rules in model.inputs.items() if name in base.by_name})
