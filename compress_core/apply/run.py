"""Recipe + subject -> model: stage by stage over all layers, every stage kept by what it was made of."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from compress_core.apply.argument import DependsOn
from compress_core.apply.base import base_of, groups_of, resolved_groups
from compress_core.apply.context import (
    Context,
    Part,
    canonical_step,
    items_behind,
    refuse_overflow,
    refuse_unordered,
    start,
)
from compress_core.apply.corrections import corrected
from compress_core.apply.inputs import with_input_rules
from compress_core.apply.kept_forms import ground_of, kept_forms, kept_rules
from compress_core.apply.lineage import Compress, Lineage, Operation, Train, compressed_by
from compress_core.apply.model import CompressedLayer, Model
from compress_core.apply.trained import kept_weights, trained_model
from compress_core.apply.views.weight_view import depends_on_statistic, is_asked_by, technique_result
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store, digest
from compress_core.network.layers.factors import shipped, small_layers
from compress_core.recipe.resolving import layer_is_locked, resolve
from compress_core.recipe.values import Named, Recipe, ResolvedRecipe, Step
from compress_core.selection.patterns import Box, LayerShape
from compress_core.selection.scores import Scores
from compress_core.selection.select import ExplicitMask, Mask, Ranked, Selection, rank_boxes, select
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.results import Factored, Pruned, Quantized
from compress_core.techniques.contract.technique import Stage


def resolved_for(subject: Subject, recipe: Recipe, store: Store) -> ResolvedRecipe:
    """The canonical form of a recipe for a subject; raises Refused where it names what is not there."""
    groups: Named = ()
    if recipe.groups:
        groups = resolved_groups(recipe, groups_of(subject, recipe.prepare, store))
    return resolve(recipe, list(subject.by_name), groups, subject.locked)


def compress(subject: Subject, recipe: Recipe | ResolvedRecipe, store: Store) -> Model:
    """The model that a recipe makes of a subject; raises Refused where a step cannot be done."""
    return compressed_further(Model.original(subject), recipe, store)


def compressed_further(parent: Model, recipe: Recipe | ResolvedRecipe, store: Store) -> Model:
    """The model that a recipe makes of one that was compressed or trained, or of one as loaded.

    Raises Refused where a step cannot be done.
    """
    ground = parent.subject if isinstance(recipe, ResolvedRecipe) else ground_of(parent, store)
    resolved = recipe if isinstance(recipe, ResolvedRecipe) else resolved_for(ground, recipe, store)
    return model_of(parent.subject, (*parent.lineage, *compressed_by(resolved)), store)


def model_of(subject: Subject, lineage: Lineage, store: Store) -> Model:
    """The model at the end of a lineage; raises Refused where an operation cannot be done."""
    model = Model.original(subject)
    for operation in lineage:
        model = derived(model, operation, store)
    return model


def derived(parent: Model, operation: Operation, store: Store) -> Model:
    """The model that an operation makes of another one, keyed by both; raises Refused."""
    key = _key(parent.key, operation, parent.subject)
    return store.get(_kept_under(parent.subject, key), lambda: _made(parent, operation, key, store))


def is_made(parent: Model, operation: Operation, store: Store) -> bool:
    """Whether the store has the model that an operation makes of another one."""
    return store.has(_kept_under(parent.subject, _key(parent.key, operation, parent.subject)))


def _kept_under(subject: Subject, key: str) -> str:
    """A model speaks for all of these, though its own numbers are the same."""
    trained_on = subject.training
    spoken_for = (subject.identity, subject.remarks_on, "" if trained_on is None else trained_on.digest)
    numberings = (split.numbering for split in subject.splits.values())
    return digest("model", key, *spoken_for, *numberings)


def _made(parent: Model, operation: Operation, key: str, store: Store) -> Model:
    match operation:
        case Train():
            return trained_model(parent, operation, kept_weights(key, store), key)
        case Compress():
            return _compressed(parent, operation, key, store)


def key_of(subject: Subject, lineage: Lineage) -> str:
    """The key of the model at the end of a lineage, without making it."""
    key = Model.original(subject).key
    for operation in lineage:
        key = _key(key, operation, subject)
    return key


def _key(parent: str, operation: Operation, subject: Subject) -> str:
    behind = items_behind(subject, operation.recipe.steps) if isinstance(operation, Compress) else ()
    return digest(parent, operation.key, *behind)


def _compressed(parent: Model, operation: Compress, key: str, store: Store) -> Model:
    subject, resolved = parent.subject, operation.recipe
    for name in resolved.by_layer:
        if name in subject.locked:
            raise layer_is_locked(name, subject.locked[name])
    ground = ground_of(parent, store)
    base = base_of(ground, resolved, store)
    kept = kept_forms(parent, ground, base, resolved)
    context = Context(base, store)
    begun: dict[str, Part] = {}
    for layer in base.layers:
        if layer.name in resolved.by_layer or layer.name in kept:
            part = start(layer, context)
            begun[layer.name] = replace(part, encoded=kept.get(layer.name, part.encoded))
    context = replace(context, companions=partial(_asking, begun, resolved, (Stage.FACTOR,)))
    parts = {name: _factored(part, resolved, context) for name, part in begun.items()}
    flat = {part.layer.name: part for group in parts.values() for part in group}
    context = replace(
        context,
        factored={name: group for name, group in parts.items() if len(group) > 1},
        companions=partial(_asking, flat, resolved, (Stage.PRUNE, Stage.QUANTIZE)),
    )
    flat = _pruned(flat, resolved, context)
    flat = _quantized(flat, resolved, context)
    compressed = {
        name: CompressedLayer(
            base.by_name[name],
            tuple(flat[p.layer.name].encoded for p in group),
            digest(*(flat[p.layer.name].key for p in group)),
            tuple(p.layer for p in group if len(group) > 1),
        )
        for name, group in parts.items()
        if len(group) > 1 or flat[name].encoded.is_changed
    }
    if parent.is_changed:  # else the ground is the subject itself, whose structure is in that of the base
        base = replace(base, structure=parent.base.structure.then(base.structure))
    rules = kept_rules(parent, base)
    model = Model(subject, parent, operation, base, MappingProxyType(compressed), key, rules)
    if any(e.is_factored for e in compressed.values()):
        store.get(_shape_key(model), lambda: _runs(model))
    return corrected(with_input_rules(model, store), store)


def _shape_key(model: Model) -> str:
    """Whether a model runs depends on which layers are factored, not on ranks or values."""
    factored = (f"{n} {len(e.small)}" for n, e in model.compressed.items() if e.is_factored)
    return digest("runs", model.base.key, *factored)


def _runs(model: Model) -> bool:
    """Whoever reads `layer.weight` by hand cannot have that layer replaced by others: raises Refused then."""
    network = model.network()
    try:
        with torch.inference_mode():
            network(model.subject.input.baseline)
    except Exception as error:  # noqa: BLE001 - a forward that is not ours may raise anything
        raise Refused(
            "{model} does not run with smaller layers in place of one ({reason}): "
            "prune or quantize that layer instead.",
            model=model.subject.title,
            reason=str(error),
        ) from None
    return True


def _asking(
    parts: Mapping[str, Part], resolved: ResolvedRecipe, stages: Iterable[Stage], statistic: str
) -> Iterator[Part]:
    """The weights of which a statistic is asked in these stages, if all of them ask it of one network."""
    if DependsOn.EARLIER_LAYERS in depends_on_statistic(statistic):
        return
    for name, part in parts.items():
        steps = (resolved.step(name, stage) for stage in stages)
        if any(step is not None and is_asked_by(step, statistic) for step in steps):
            yield part


def _factored(part: Part, resolved: ResolvedRecipe, context: Context) -> tuple[Part, ...]:
    step = resolved.step(part.layer.name, Stage.FACTOR)
    if step is None:
        return (part,)
    key, store = context.key_of(part, step), context.store
    result: Factored = store.get(key, lambda: technique_result(step, part, context), lambda f: f.nbytes)
    kernels: tuple[Tensor, ...] = store.get(
        f"{key}:kernels", lambda: shipped(part.layer, result), lambda ks: sum(k.nbytes for k in ks)
    )
    small = small_layers(part.layer, [kernel.shape for kernel in kernels])
    return tuple(
        Part(layer, EncodedWeight(kernel.flatten(1).contiguous()), digest(key, index))
        for index, (layer, kernel) in enumerate(zip(small, kernels, strict=True))
    )


def _pruned(parts: dict[str, Part], resolved: ResolvedRecipe, context: Context) -> dict[str, Part]:
    scopes: defaultdict[tuple[str, str], list[Part]] = defaultdict(list)
    pruned = dict(parts)
    for name, part in parts.items():
        step = resolved.step(name, Stage.PRUNE)
        if step is None:
            continue
        if step.method.is_criterion:
            alone = "" if _shares_budget(step) else name
            scopes[canonical_step(step), alone].append(part)
    for members in scopes.values():
        step = resolved.step(members[0].layer.name, Stage.PRUNE)
        assert step is not None
        pruned |= {p.layer.name: p for p in _select_among(members, step, context)}
    for name in context.in_order(parts):
        step = resolved.step(name, Stage.PRUNE)
        if step is not None and not step.method.is_criterion:
            pruned[name] = _pruned_alone(parts[name], step, context.behind(pruned, name, step))
    return pruned


def _shares_budget(step: Step) -> bool:
    choice = step.knobs
    return isinstance(choice, Selection) and choice.shares_budget


def _pruned_alone(part: Part, step: Step, context: Context) -> Part:
    key = context.key_of(part, step)
    result: Pruned = context.store.get(key, lambda: technique_result(step, part, context), _pruned_size)
    encoded = replace(part.encoded, mask=_still_pruned(part, ExplicitMask(result.mask)))
    if result.values is not None:
        encoded = EncodedWeight(result.values, encoded.mask)
    return replace(part, encoded=encoded, key=key)


def _still_pruned(part: Part, mask: Mask) -> Mask:
    """A mask under which what was pruned before stays so."""
    before = part.encoded.mask
    return mask if before is None else ExplicitMask(mask.tensor & before.tensor)


def _pruned_size(result: Pruned) -> int:
    return result.mask.nbytes + (0 if result.values is None else result.values.nbytes)


def _select_among(members: Sequence[Part], step: Step, context: Context) -> Sequence[Part]:
    choice, store = step.knobs, context.store
    assert isinstance(choice, Selection)
    keys, scores = zip(*(_scores(part, step, context) for part in members), strict=True)
    shapes = [LayerShape(p.layer.name, p.layer.kernel_shape, p.layer.groups) for p in members]
    ranked: Ranked | None = None
    box = choice.removed_together
    if choice.scope != "row" and isinstance(box, Box):
        ranked = store.get(
            digest("ranking", choice.pattern, *keys),
            lambda: rank_boxes(scores, shapes, box),
            lambda r: r.nbytes,
        )
    key = digest(*keys, canonical_step(step))
    mask: tuple[Mask, ...] = store.get(
        key,
        lambda: select(scores, shapes, choice, ranked),
        lambda _: sum(p.encoded.weight.numel() for p in members),
    )
    return [
        replace(
            part,
            encoded=replace(part.encoded, mask=_still_pruned(part, chosen)),
            key=digest(key, part.layer.name),
        )
        for part, chosen in zip(members, mask, strict=True)
    ]


def _scores(part: Part, step: Step, context: Context) -> tuple[str, Scores]:
    own = {k: v for k, v in step.knobs if k in step.method.own_knobs}
    key = digest(part.key, step.technique, json.dumps(own, sort_keys=True), *context.seen_by(step, part))
    made: Scores = context.store.get(
        key, lambda: _ordered(part, step, context), lambda s: 0 if s.absolute else s.values.nbytes
    )
    return key, made


def _ordered(part: Part, step: Step, context: Context) -> Scores:
    """Scores that can be put in order; raises Refused where some are NaN."""
    made: Scores = technique_result(step, part, context)
    if not made.absolute:  # sizes of weights, which are known to be finite
        refuse_unordered(made.values, part.layer.name, step)
    return made


def _quantized(parts: dict[str, Part], resolved: ResolvedRecipe, context: Context) -> dict[str, Part]:
    quantized = dict(parts)
    for name in context.in_order(parts):
        step = resolved.step(name, Stage.QUANTIZE)
        if step is not None:
            quantized[name] = _quantized_alone(parts[name], step, context.behind(quantized, name, step))
    return quantized


def _quantized_alone(part: Part, step: Step, context: Context) -> Part:
    key = context.key_of(part, step)
    result: Quantized = context.store.get(key, lambda: _finite_levels(part, step, context), _codes_size)
    return replace(part, encoded=replace(part.encoded, quantized=result), key=key)


def _finite_levels(part: Part, step: Step, context: Context) -> Quantized:
    """A quantizer's answer; raises Refused where it turns a weight near the end of 32 bits into infinity."""
    made: Quantized = technique_result(step, part, context)
    refuse_overflow(replace(part.encoded, quantized=made), part.layer.name, step)
    return made


def _codes_size(result: Quantized) -> int:
    return 4096 if result.codes is None else result.codes.nbytes + 4096
