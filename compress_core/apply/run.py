"""Recipe + subject -> model: stage by stage over all layers, every stage kept by what it was made of."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor

from compress_core.apply.base import base_of, groups_of, resolved_groups
from compress_core.apply.context import Part, Standing, answer_of, canonical, items_behind, start
from compress_core.apply.corrections import corrected
from compress_core.apply.inputs import with_inputs
from compress_core.apply.model import Edited, Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store, digest
from compress_core.network.layers import shipped, small_layers
from compress_core.recipe import Named, Recipe, Resolved, Setting, resolve
from compress_core.selection.patterns import LayerShape, n_of_m
from compress_core.selection.scores import Scores
from compress_core.selection.select import Chosen, Kept, Ranked, Selection, rank_boxes, select
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.encoded import Coded
from compress_core.techniques.contract.results import Factored, Pruned, Quantised
from compress_core.techniques.contract.technique import Stage


def resolved_for(subject: Subject, recipe: Recipe, store: Store) -> Resolved:
    """The canonical form of a recipe for a subject; raises Refused where it names what is not there."""
    groups: Named = ()
    if recipe.groups:
        groups = resolved_groups(recipe, groups_of(subject, recipe.prepare, store))
    return resolve(recipe, list(subject.by_name), groups)


def compress(subject: Subject, recipe: Recipe | Resolved, store: Store) -> Model:
    """The model that a recipe makes of a subject; raises Refused where a step cannot be done."""
    resolved = recipe if isinstance(recipe, Resolved) else resolved_for(subject, recipe, store)
    if not resolved:
        return Model.original(subject)
    key = digest(subject.digest, resolved.sha, *items_behind(subject, resolved.settings))
    return store.get(f"model:{key}", lambda: _run(subject, resolved, key, store))


def _run(subject: Subject, resolved: Resolved, key: str, store: Store) -> Model:
    base = base_of(subject, resolved, store)
    standing = Standing(base, store)
    parts: dict[str, tuple[Part, ...]] = {}
    for layer in base.layers:
        if layer.name in resolved.by_layer:
            parts[layer.name] = _factored(start(layer, standing), resolved, standing)
    standing = replace(standing, factored={name: group for name, group in parts.items() if len(group) > 1})
    flat = {part.layer.name: part for group in parts.values() for part in group}
    flat = _pruned(flat, resolved, standing)
    flat = _quantised(flat, resolved, standing)
    edited = {
        name: Edited(
            base.by_name[name],
            tuple(flat[p.layer.name].coded for p in group),
            tuple(p.layer for p in group if len(group) > 1),
        )
        for name, group in parts.items()
        if len(group) > 1 or flat[name].coded.is_changed
    }
    model = Model(subject, resolved, base, MappingProxyType(edited), key)
    if any(e.is_factored for e in edited.values()):
        store.get(_shape_key(model), lambda: _runs(model))
    return corrected(with_inputs(model, store), store)


def _shape_key(model: Model) -> str:
    """Whether a model runs depends on which layers are factored, not on ranks or values."""
    factored = (f"{n} {len(e.small)}" for n, e in model.edited.items() if e.is_factored)
    return digest("runs", model.base.digest, *factored)


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


def _factored(part: Part, resolved: Resolved, standing: Standing) -> tuple[Part, ...]:
    setting = resolved.step(part.layer.name, Stage.FACTOR)
    if setting is None:
        return (part,)
    key, store = standing.key_of(part, setting), standing.store
    answer: Factored = store.get(key, lambda: answer_of(setting, part, standing), lambda f: f.nbytes)
    kernels: tuple[Tensor, ...] = store.get(
        f"{key}:kernels", lambda: shipped(part.layer, answer), lambda ks: sum(k.nbytes for k in ks)
    )
    small = small_layers(part.layer, [kernel.shape for kernel in kernels])
    return tuple(
        Part(layer, Coded(kernel.flatten(1).contiguous()), digest(key, index))
        for index, (layer, kernel) in enumerate(zip(small, kernels, strict=True))
    )


def _pruned(parts: dict[str, Part], resolved: Resolved, standing: Standing) -> dict[str, Part]:
    scopes: defaultdict[tuple[str, str], list[Part]] = defaultdict(list)
    pruned = dict(parts)
    for name, part in parts.items():
        setting = resolved.step(name, Stage.PRUNE)
        if setting is None:
            continue
        if setting.method.is_criterion:
            alone = "" if _shares_budget(setting) else name
            scopes[canonical(setting), alone].append(part)
    for members in scopes.values():
        setting = resolved.step(members[0].layer.name, Stage.PRUNE)
        assert setting is not None
        pruned |= {p.layer.name: p for p in _select_among(members, setting, standing)}
    for name in standing.in_order(parts):
        setting = resolved.step(name, Stage.PRUNE)
        if setting is not None and not setting.method.is_criterion:
            pruned[name] = _pruned_alone(parts[name], setting, standing.behind(pruned, name, setting))
    return pruned


def _shares_budget(setting: Setting) -> bool:
    choice = setting.knobs
    return isinstance(choice, Selection) and choice.shares_budget


def _pruned_alone(part: Part, setting: Setting, standing: Standing) -> Part:
    key = standing.key_of(part, setting)
    answer: Pruned = standing.store.get(key, lambda: answer_of(setting, part, standing), _pruned_size)
    weight = part.coded.weight if answer.values is None else answer.values
    return replace(part, coded=Coded(weight, Chosen(answer.kept)), key=key)


def _pruned_size(answer: Pruned) -> int:
    return answer.kept.nbytes + (0 if answer.values is None else answer.values.nbytes)


def _select_among(members: Sequence[Part], setting: Setting, standing: Standing) -> Sequence[Part]:
    choice, store = setting.knobs, standing.store
    assert isinstance(choice, Selection)
    keys, scores = zip(*(_scores(part, setting, standing) for part in members), strict=True)
    shapes = [LayerShape(p.layer.name, p.layer.kernel_shape, p.layer.groups) for p in members]
    ranked: Ranked | None = None
    if choice.scope != "row" and n_of_m(choice.pattern) is None:
        ranked = store.get(
            digest("ranking", choice.pattern, *keys),
            lambda: rank_boxes(scores, shapes, choice.pattern),
            lambda r: r.nbytes,
        )
    key = digest(*keys, canonical(setting))
    kept: tuple[Kept, ...] = store.get(
        key,
        lambda: select(scores, shapes, choice, ranked),
        lambda _: sum(p.coded.weight.numel() for p in members),
    )
    return [
        replace(part, coded=replace(part.coded, kept=mask), key=digest(key, part.layer.name))
        for part, mask in zip(members, kept, strict=True)
    ]


def _scores(part: Part, setting: Setting, standing: Standing) -> tuple[str, Scores]:
    own = {k: v for k, v in setting.knobs if k in setting.method.own_knobs}
    seen = standing.seen_by(setting.method.needs, part)
    key = digest(part.key, setting.technique, json.dumps(own, sort_keys=True), *seen)
    made: Scores = standing.store.get(
        key, lambda: answer_of(setting, part, standing), lambda s: 0 if s.absolute else s.values.nbytes
    )
    return key, made


def _quantised(parts: dict[str, Part], resolved: Resolved, standing: Standing) -> dict[str, Part]:
    quantised = dict(parts)
    for name in standing.in_order(parts):
        setting = resolved.step(name, Stage.QUANTIZE)
        if setting is not None:
            quantised[name] = _quantised_alone(
                parts[name], setting, standing.behind(quantised, name, setting)
            )
    return quantised


def _quantised_alone(part: Part, setting: Setting, standing: Standing) -> Part:
    key = standing.key_of(part, setting)
    answer: Quantised = standing.store.get(key, lambda: answer_of(setting, part, standing), _codes_size)
    return replace(part, coded=replace(part.coded, quantised=answer), key=key)


def _codes_size(answer: Quantised) -> int:
    return 4096 if answer.codes is None else answer.codes.nbytes + 4096
