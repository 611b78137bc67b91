"""Recipe + subject -> model: stage by stage over all layers, every stage kept by what it was made of."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from compress_core.answers import Factored, Pruned, Quantised, Scores
from compress_core.coded import Coded
from compress_core.errors import Refused
from compress_core.model import Edited, Model
from compress_core.recipe import Recipe, Resolved, Setting, resolve
from compress_core.select import Chosen, Kept, Ranking, Selection, n_of_m, rank_scores, select
from compress_core.statistics import statistics
from compress_core.store import Store, digest
from compress_core.subject.layers import Layer, read_matrix, small_layers, small_matrices
from compress_core.subject.subject import Subject
from compress_core.technique import Stage


@dataclass(frozen=True)
class Part:
    """One weight on its way through the stages; its key chains the keys of what it saw."""

    layer: Layer
    coded: Coded
    key: str


def compress(subject: Subject, recipe: Recipe | Resolved, store: Store) -> Model:
    """The model that a recipe makes of a subject; raises Refused where a step cannot be done."""
    resolved = recipe if isinstance(recipe, Resolved) else resolve(recipe, list(subject.by_name))
    key = digest(subject.digest, resolved.sha)
    if not resolved.layers:
        return Model.original(subject)
    return store.get(f"model:{key}", lambda: _run(subject, resolved, key, store))


def _run(subject: Subject, resolved: Resolved, key: str, store: Store) -> Model:
    parts: dict[str, tuple[Part, ...]] = {}
    for layer in subject.layers:
        if layer.name in resolved.by_layer:
            parts[layer.name] = _factored(_start(subject, layer, store), resolved, store)
    flat = {part.layer.name: part for group in parts.values() for part in group}
    flat = _pruned(flat, resolved, store)
    flat = {name: _quantised(part, resolved, store) for name, part in flat.items()}
    edited = {
        name: Edited(subject.by_name[name], tuple(flat[p.layer.name].coded for p in group))
        for name, group in parts.items()
    }
    model = Model(subject, resolved, MappingProxyType(edited), key)
    if any(e.is_factored for e in edited.values()):
        store.get(_shape_key(model), lambda: _runs(model))
    return model


def _shape_key(model: Model) -> str:
    """Whether a model runs depends on which layers are factored, not on ranks or values."""
    return digest("runs", model.subject.digest, *(n for n, e in model.edited.items() if e.is_factored))


def _runs(model: Model) -> bool:
    """Whoever reads `layer.weight` by hand cannot have that layer replaced by two: raises Refused then."""
    network = model.network()
    try:
        with torch.inference_mode():
            network(model.subject.input.baseline)
    except Exception as error:  # noqa: BLE001 - a forward that is not ours may raise anything
        raise Refused(
            "{model} does not run with two layers in place of one ({reason}): "
            "prune or quantize that layer instead.",
            model=model.subject.title,
            reason=str(error),
        ) from None
    return True


def _start(subject: Subject, layer: Layer, store: Store) -> Part:
    if layer.name in subject.problems:
        raise Refused(
            "{layer} holds {count} weights that are NaN or infinite: "
            "repair the model or leave this layer out.",
            layer=layer.name,
            count=subject.problems[layer.name],
        )
    key = digest(subject.digest, layer.name)
    weight = store.get(key, lambda: read_matrix(subject.network, layer))
    return Part(layer, Coded(weight), key)


def _factored(part: Part, resolved: Resolved, store: Store) -> tuple[Part, ...]:
    setting = resolved.step(part.layer.name, Stage.FACTOR)
    if setting is None:
        return (part,)
    key = digest(part.key, _canonical(setting))
    answer: Factored = store.get(
        key, lambda: _answer(setting, part, store), lambda f: f.first.nbytes + f.second.nbytes
    )
    matrices: tuple[Tensor, Tensor] = store.get(
        f"{key}:matrices", lambda: small_matrices(part.layer, answer), lambda m: sum(t.nbytes for t in m)
    )
    small = small_layers(part.layer, answer.rank)
    return tuple(
        Part(layer, Coded(matrix), digest(key, index))
        for index, (layer, matrix) in enumerate(zip(small, matrices, strict=True))
    )


def _pruned(parts: dict[str, Part], resolved: Resolved, store: Store) -> dict[str, Part]:
    scopes: defaultdict[tuple[str, str], list[Part]] = defaultdict(list)
    pruned = dict(parts)
    for name, part in parts.items():
        setting = resolved.step(name, Stage.PRUNE)
        if setting is None:
            continue
        if setting.method.is_criterion:
            alone = "" if _is_network_wide(setting) else name
            scopes[_canonical(setting), alone].append(part)
        else:
            pruned[name] = _pruned_alone(part, setting, store)
    for members in scopes.values():
        setting = resolved.step(members[0].layer.name, Stage.PRUNE)
        assert setting is not None
        pruned |= {p.layer.name: p for p in _select_among(members, setting, store)}
    return pruned


def _is_network_wide(setting: Setting) -> bool:
    choice = setting.knobs
    return isinstance(choice, Selection) and choice.scope == "network" and n_of_m(choice.pattern) is None


def _pruned_alone(part: Part, setting: Setting, store: Store) -> Part:
    key = digest(part.key, _canonical(setting))
    answer: Pruned = store.get(key, lambda: _answer(setting, part, store), lambda p: p.kept.nbytes)
    weight = part.coded.weight if answer.values is None else answer.values
    return replace(part, coded=Coded(weight, Chosen(answer.kept)), key=key)


def _select_among(members: Sequence[Part], setting: Setting, store: Store) -> Sequence[Part]:
    choice = setting.knobs
    assert isinstance(choice, Selection)
    keys, scores = zip(*(_scores(part, setting, store) for part in members), strict=True)
    ranking: Ranking | None = None
    if choice.scope != "row" and n_of_m(choice.pattern) is None:
        ranking = store.get(
            digest("ranking", *keys), lambda: rank_scores(scores), lambda r: r.ascending.nbytes
        )
    key = digest(*keys, _canonical(setting))
    names = [part.layer.name for part in members]
    shapes = [part.layer.kernel_shape for part in members]
    kept: tuple[Kept, ...] = store.get(
        key,
        lambda: select(scores, shapes, names, choice, ranking),
        lambda _: sum(p.coded.weight.numel() for p in members),
    )
    return [
        replace(part, coded=replace(part.coded, kept=mask), key=digest(key, part.layer.name))
        for part, mask in zip(members, kept, strict=True)
    ]


def _scores(part: Part, setting: Setting, store: Store) -> tuple[str, Scores]:
    own = {k: v for k, v in setting.knobs if k in setting.method.own_knobs}
    key = digest(part.key, setting.technique, json.dumps(own, sort_keys=True))
    made = store.get(
        key, lambda: _answer(setting, part, store), lambda s: 0 if s.absolute else s.values.nbytes
    )
    return key, made


def _quantised(part: Part, resolved: Resolved, store: Store) -> Part:
    setting = resolved.step(part.layer.name, Stage.QUANTIZE)
    if setting is None:
        return part
    key = digest(part.key, _canonical(setting))
    answer: Quantised = store.get(key, lambda: _answer(setting, part, store), _codes_size)
    return replace(part, coded=replace(part.coded, quantised=answer), key=key)


def _codes_size(answer: Quantised) -> int:
    return 4096 if answer.codes is None else answer.codes.nbytes + 4096


def _canonical(setting: Setting) -> str:
    return json.dumps(setting.as_json(), sort_keys=True)


def _answer(setting: Setting, part: Part, store: Store) -> Any:
    """Call a technique with what it asks for by name."""
    method = setting.method
    supplied = [_supply(name, part, setting, store) for name in method.needs]
    own = {k: v for k, v in setting.knobs if k in method.own_knobs}
    return method.function(*supplied, **own)


def _supply(name: str, part: Part, setting: Setting | None, store: Store) -> Any:
    match name:
        case "weight":
            return part.coded.weight
        case "kernel":
            return part.coded.weight.view(part.layer.kernel_shape)
        case "kept":
            kept = part.coded.kept
            return (
                torch.ones(1, 1, dtype=torch.bool).expand_as(part.coded.weight) if kept is None else kept.mask
            )
        case "groups":
            return part.layer.groups
        case "generator":
            assert setting is not None
            return generator_for(getattr(setting.knobs, "seed", 0), part.layer.name)
    derived = statistics()[name]

    def derive_it() -> Any:
        return derived.function(*(_supply(need, part, setting, store) for need in derived.needs))

    return store.get(digest(part.key, name), derive_it, _tensor_bytes)


def _tensor_bytes(value: object) -> int:
    fields = vars(value).values() if hasattr(value, "__dict__") else [value]
    return 1024 + sum(getattr(field, "nbytes", 0) for field in fields)


def derive(subject: Subject, layer: str, name: str, store: Store) -> Any:
    """A statistic of an original layer's weight, kept by content."""
    return _supply(name, _start(subject, subject.layer(layer), store), None, store)


def generator_for(seed: int, name: str) -> torch.Generator:
    """A generator of its own for each seed and layer name."""
    mixed = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(mixed[:8], "big") >> 1)
