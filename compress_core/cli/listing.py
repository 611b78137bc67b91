"""What there is: sample models, techniques, the layers of a model."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING

import typer

from compress_core.cli import printing
from compress_core.cli.arguments import (
    JsonOption,
    ModelOptions,
    about_a_model,
)
from compress_core.foundation.number import Number
from compress_core.foundation.printable import printable
from compress_core.loading.cards import Card, CardShare, cards

if TYPE_CHECKING:
    from pydantic import BaseModel

    from compress_core.network.layers.kinds import Layer
    from compress_core.subject.subject import Subject
    from compress_core.techniques.contract.technique import Technique


def models(as_json: JsonOption = False) -> None:
    """The sample models, with their accuracy."""
    found = cards().values()
    if as_json:
        printing.print_json([_model(card) for card in found])
        return
    rows = [
        [
            card.name,
            f"{card.parameters:,}",
            *(printing.with_interval(_accuracy(card.accuracy[split])) for split in ("validation", "test")),
            f"{card.accuracy['validation'].n:,} / {card.accuracy['test'].n:,}",
            card.summary,
        ]
        for card in found
    ]
    heads = (
        "model",
        ">parameters",
        ">validation accuracy (95 %)",
        ">test accuracy (95 %)",
        ">N",
        "what it is",
    )
    printing.print_table(heads, rows)


def _accuracy(share: CardShare) -> Number:
    return Number(share.value, "share", "measured", share.low, share.high, share.n)


def _model(card: Card) -> printing.Content:
    return {
        "name": card.name,
        "title": card.title,
        "summary": card.summary,
        "parameters": printing.exact(card.parameters, "parameter").as_json(),
        "accuracy": {split: _accuracy(share).as_json() for split, share in card.accuracy.items()},
        "classes": list(card.classes),
        "input": {"kind": card.input.kind, "shape": list(card.input.shape)},
        "data_origin": card.data_origin,
        "license": card.license,
        "sha256": card.sha256,
    }


def techniques(as_json: JsonOption = False) -> None:
    """The techniques and their knobs, in the order of a recipe."""
    from compress_core.techniques.contract.technique import techniques as registered

    found = registered().values()
    if as_json:
        printing.print_json([_technique(method) for method in found])
        return
    rows = [[t.name, t.stage.name.lower(), str(t.kind), _knobs_in_words(t), t.summary] for t in found]
    printing.print_table(("technique", "stage", "kind", "knobs and defaults", "what it does"), rows)


def _knobs_in_words(method: Technique) -> str:
    fields = method.knobs.model_fields.items()
    return " ".join(
        f"{name}={'?' if field.is_required() else field.default}"
        for name, field in fields
        if field.is_required() or field.default is not None
    )


def _technique(method: Technique) -> printing.Content:
    return {
        "name": method.name,
        "stage": method.stage.name.lower(),
        "kind": method.kind,
        "summary": method.summary,
        "details": method.details,
        "source": method.source,
        "knobs": knob_schema(method.knobs),
        "required": method.knobs.model_json_schema().get("required", []),
        "needs": list(method.needs),
    }


def knob_schema(declared: type[BaseModel]) -> printing.Content:
    """The JSON schema of each knob, with its unit and the step of its slider."""
    from compress_core.foundation.declared_knobs import slider_step, unit_of

    knobs = declared.model_json_schema().get("properties", {})
    return {
        name: {
            **typing.cast("dict[str, object]", knobs[name]),
            **_unit_and_step(unit_of(field), slider_step(field)),
        }
        for name, field in declared.model_fields.items()
    }


def _unit_and_step(unit: str, step: float | None) -> printing.Content:
    extra = {"unit": unit or None, "multipleOf": step}
    return {key: value for key, value in extra.items() if value is not None}


@about_a_model(
    without=(
        "recipe",
        "step",
        "split",
        "trained",
    )
)
def layers(asked: ModelOptions) -> None:
    """The layers of a model, and what is left alone and why.

    Weights that are NaN or infinite are named, and what else one should know of the network.
    """
    from compress_core.cli.loading import open_subject

    subject = open_subject(asked)
    if asked.as_json:
        printing.print_json(_layers(subject))
    else:
        _print_layers(subject)


def _layers(subject: Subject) -> printing.Content:
    return {
        "model": subject.name,
        "title": subject.title,
        "summary": subject.summary,
        "digest": subject.digest,
        "parameters": printing.exact(subject.parameters, "parameter").as_json(),
        "layers": [_layer(layer) for layer in subject.layers],
        "untouched": [
            {
                "name": left.name,
                "kind": left.kind,
                "parameters": printing.exact(left.parameters, "parameter").as_json(),
                "reason": left.reason,
            }
            for left in subject.untouched
        ],
        "problems": [
            {"layer": name, "not_finite": printing.exact(count, "weight").as_json()}
            for name, count in subject.problems.items()
        ],
        "warnings": list(subject.warnings),
    }


def _macs(layer: Layer) -> Number:
    return printing.exact_or_missing(layer.macs, "MAC", "The layer did not run on the example input.")


def _layer(layer: Layer) -> printing.Content:
    counted = {
        "weights": printing.exact(layer.weights, "weight"),
        "bytes": printing.exact(4 * layer.weights, "byte"),
        "macs": _macs(layer),
        "highest_rank": printing.exact(layer.highest_rank, "rank"),
        "break_even_rank": printing.exact(layer.break_even_rank, "rank"),
    }
    return {
        "name": layer.name,
        "kind": layer.label,
        "shape": list(layer.kernel_shape),
        "groups": layer.groups,
        "shared_by": [place.module for place in layer.places],
        **{name: number.as_json() for name, number in counted.items()},
    }


def _print_layers(subject: Subject) -> None:
    typer.echo(f"{subject.title}: {subject.parameters:,} parameters. {subject.described}\n")
    rows = [
        [
            layer.name,
            "x".join(map(str, layer.kernel_shape)),
            f"{layer.weights:,}",
            printing.value_of(_macs(layer)),
            str(layer.break_even_rank),
            layer.label,
        ]
        for layer in subject.layers
    ]
    printing.print_table(("layer", ">shape", ">weights", ">MACs", ">break-even rank", "kind"), rows)
    for shared in subject.shared_weights:
        typer.echo(shared)
    if subject.untouched:
        left = [[u.name or "(top)", u.kind, f"{u.parameters:,}", u.reason] for u in subject.untouched]
        typer.echo("")
        printing.print_table(("left alone", "kind", ">parameters", "why"), left)
    for name, count in subject.problems.items():
        typer.echo(f"\n{printable(name)} holds {count:,} weights that are NaN or infinite.")
    for sentence in subject.network_warnings:
        typer.echo(f"\nWarning: {printable(sentence)}")
