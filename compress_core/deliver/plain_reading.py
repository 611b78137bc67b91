"""What a reader of safetensors that knows nothing of slimscope gets from the plain file of a model."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator

from compress_core.apply.model import Model
from compress_core.foundation.texts import Phrase
from compress_core.subject.reading_remarks import some_of


def read_by_others(model: Model) -> tuple[Phrase, ...]:
    """A sentence for each form in which the file holds tensors, and for what its metadata alone say."""
    return tuple(_sentences(model))


def _sentences(model: Model) -> Iterator[Phrase]:
    form, names = json.loads(model.form), tuple(model.entries())
    parts: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        layer, _, part = name.rpartition(":")
        if layer in form["layers"]:
            parts[layer].add(part)
    whole = [name for name in names if name.rpartition(":")[0] not in parts]
    if whole:
        yield Phrase(
            "As they are, under their names in the model as loaded: {count:,} of {all:,} tensors ({names}).",
            count=len(whole),
            all=len(names),
            names=some_of(whole),
        )
    yield from _coded(parts)
    if "views" in form:
        yield Phrase(
            "Not there under their own names, because they lie in the memory of another tensor: {names}.",
            names=some_of(form["views"]),
        )
    if "inputs" in form:
        yield Phrase(
            "Only the metadata say how inputs are rounded or cut: {layers}.", layers=some_of(form["inputs"])
        )
    if "structure" in form:
        yield Phrase("Only the metadata say how the structure differs from that of the model as loaded.")


def _coded(parts: dict[str, set[str]]) -> Iterator[Phrase]:
    """The layers whose weights no other reader gets as they are, by the form in which they stand there."""
    masked, with_codes = (_with(parts, part) for part in ("mask", "codes"))
    if both := masked & with_codes:
        yield Phrase(
            "Codes of the kept weights, packed bit by bit, with tables that turn them into weights and a bit "
            "for each place: {layers}.",
            layers=_named(parts, both),
        )
    if only_codes := with_codes - masked:
        yield Phrase(
            "Codes of the weights, packed bit by bit, with tables that turn them into weights: {layers}.",
            layers=_named(parts, only_codes),
        )
    if only_masked := masked - with_codes:
        yield Phrase(
            "The kept weights in a row, with a bit for each place: {layers}.",
            layers=_named(parts, only_masked),
        )
    if neither := parts.keys() - masked - with_codes:
        yield Phrase("The weights in a row, without their shape: {layers}.", layers=_named(parts, neither))


def _with(parts: dict[str, set[str]], part: str) -> set[str]:
    return {layer for layer, held in parts.items() if part in held}


def _named(parts: Iterable[str], some: set[str]) -> str:
    return some_of(layer for layer in parts if layer in some)
