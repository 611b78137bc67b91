"""Take the network to other programs: as code and weights, or as ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_core.cli import show
from compress_core.cli.arguments import (
    DataOption,
    JsonOption,
    ModelArgument,
    OutOption,
    OwnOption,
    RecipeArgument,
    ShapeOption,
    SplitOption,
    StepOption,
    WeightsOption,
    chosen,
)
from compress_core.errors import Refused

if TYPE_CHECKING:
    from compress_core.cli.loading import Case
    from compress_core.measure.number import Number


class Form(StrEnum):
    """What can be written."""

    SOURCE = "source"
    ONNX = "onnx"
    INT8 = "int8"


@dataclass(frozen=True)
class Exported:
    """The files with their bytes, how well they agree with the network, and what stays in 32 bits."""

    files: Mapping[str, int]
    numbers: Mapping[str, Number]
    left: Mapping[str, str] = field(default_factory=dict)


FormOption = Annotated[
    Form,
    typer.Option(
        "--to",
        help="source (model.py and weights, for torch), onnx (32 bits) or int8 (ONNX, the recipe's codes).",
    ),
]


def export(
    model: ModelArgument = None,
    recipe: RecipeArgument = None,
    to: FormOption = Form.SOURCE,
    out: OutOption = None,
    step: StepOption = None,
    split: SplitOption = "validation",
    own: OwnOption = None,
    weights: WeightsOption = None,
    items: DataOption = None,
    input_shape: ShapeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the compressed network for torch without slimscope, or for ONNX runtimes.

    What was written is run, and compared with the network that was evaluated.
    """
    from compress_core.cli.content import headline
    from compress_core.cli.loading import open_case

    if out is None:
        raise Refused("export needs a folder to write to: add --out DIR.")
    asked = chosen(
        model, recipe, own=own, step=step, split=split, weights=weights, items=items, input_shape=input_shape
    )
    case = open_case(asked)
    exported = _exported(case, to, out)
    if as_json:
        show.print_json(_content(case, to, out, exported))
        return
    typer.echo(headline(case))
    show.print_table(("file", ">bytes"), [[name, f"{size:,}"] for name, size in exported.files.items()])
    typer.echo()
    show.print_table(show.NUMBER_HEADS, show.number_rows(exported.numbers.items()))
    for name, reason in exported.left.items():
        typer.echo(f"{name} stays in 32 bits: {reason}.")


def _content(case: Case, to: Form, out: Path, exported: Exported) -> show.Json:
    items = len(case.split) if case.subject.splits else 0
    return {
        "model": case.subject.name,
        "recipe": {"sha": case.model.recipe.sha},
        "to": to.value,
        "out": str(out),
        "files": {name: show.exact(size, "byte").as_json() for name, size in exported.files.items()},
        "split": case.chosen.split if items else None,
        "n": items,
        **{name: number.as_json() for name, number in exported.numbers.items()},
        "left": dict(exported.left),
    }


def _exported(case: Case, to: Form, out: Path) -> Exported:
    try:
        match to:
            case Form.SOURCE:
                return _source(case, out)
            case Form.ONNX:
                return _onnx(case, out)
            case Form.INT8:
                return _int8(case, out)
    except OSError as error:
        raise Refused(
            "{out} cannot be written ({reason}): choose another folder with --out.",
            out=out,
            reason=error.strerror,
        ) from None


def _source(case: Case, out: Path) -> Exported:
    from compress_core.deliver.source import model_source, write_source
    from compress_core.measure.number import Number

    made = model_source(case.model)
    numbers = {"largest_difference": Number(made.largest_difference, "logit", "measured")}
    return Exported(write_source(made, out), numbers)


def _onnx(case: Case, out: Path) -> Exported:
    from compress_core.deliver.onnx_file import ONNX_FILE, model_onnx
    from compress_core.store import write_whole

    content = model_onnx(case.model)
    numbers = _numbers(case, content)
    write_whole(out / ONNX_FILE, content)
    return Exported({ONNX_FILE: len(content)}, numbers)


def _int8(case: Case, out: Path) -> Exported:
    from compress_core.deliver.qdq import INT8_FILE, model_qdq
    from compress_core.store import write_whole

    made = model_qdq(case.model)
    if not made.weights:
        raise Refused(
            "No weight of {model} has codes that ONNX can hold ({reasons}): quantize with uniform or affine.",
            model=case.subject.title,
            reasons="; ".join(sorted({str(reason) for reason in made.left.values()}))
            or "nothing is quantized",
        )
    numbers = _numbers(case, made.content)
    write_whole(out / INT8_FILE, made.content)
    return Exported({INT8_FILE: len(made.content)}, numbers, made.left)


def _numbers(case: Case, content: bytes) -> Mapping[str, Number]:
    """The file in ONNX Runtime beside the network in torch and the model as loaded, on the items chosen."""
    from compress_core.deliver.runtime import agreement
    from compress_core.measure.compare import Comparison
    from compress_core.measure.evaluate import predict
    from compress_core.measure.number import Number
    from compress_core.model import Model

    if not case.subject.splits:
        reason = "There are no items to run it on."
        return {"largest_difference": Number.missing("logit", reason)}
    found = agreement(case.model.network(), content, case.split)
    original = predict(Model.original(case.subject), case.split, case.store)
    return {
        "largest_difference": Number(found.largest_difference, "logit", "measured", n=len(case.split)),
        "same_class": found.same_class,
        "accuracy": found.accuracy,
        "accuracy_change": Comparison(original, found.in_runtime).numbers["accuracy_change"],
    }
