"""What the commands can be told, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from compress_core.foundation.one_file_each import names_in

ModelArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="A sample, package.module:factory, or a file of weights (safetensors or a plain state dict).",
        show_default=False,
    ),
]
RecipeArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RECIPE", help="A YAML or JSON file, or - for standard input.", show_default=False
    ),
]
StepOption = Annotated[
    list[str] | None,
    typer.Option(
        "--step",
        metavar="STEP",
        help="A step without a file, 'fc1: magnitude sparsity=0.9'; repeat it for more. It comes before the "
        "rules of RECIPE. See slimscope techniques.",
        show_default=False,
    ),
]
UserModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="FACTORY",
        help="MODEL in another way: package.module:factory, found from the current folder.",
        show_default=False,
    ),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help="Weights to load into MODEL; without MODEL the network is recognized or inferred.",
        show_default=False,
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FILE.npz",
        help="Other items: inputs or images and, where known, labels.",
        show_default=False,
    ),
]
ShapeOption = Annotated[
    str | None,
    typer.Option(
        "--input-shape",
        metavar="1x28x28",
        help="Shape of one item, for an own network without --data.",
        show_default=False,
    ),
]
SplitOption = Annotated[
    str, typer.Option("--split", metavar="SPLIT", help="validation, which the page shows, or test.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="The folder to write to; it is made.", show_default=False),
]
MethodOption = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="METHOD",
        help=f"One of {', '.join(names_in('compress_core.measure.explain.methods'))}.",
    ),
]
ItemsOption = Annotated[
    int, typer.Option("--items", metavar="N", min=1, max=4096, help="How many items, drawn with the seed.")
]
SeedOption = Annotated[
    int,
    typer.Option(
        "--seed", metavar="SEED", min=0, max=2**31 - 1, help="Draws the items and makes the two floors."
    ),
]


@dataclass(frozen=True)
class ModelOptions:
    """Which model, which recipe and which items were asked for, as typed."""

    model: str | None
    recipe: str | None = None
    steps: tuple[str, ...] = ()
    split: str = "validation"
    weights: Path | None = None
    items: Path | None = None
    input_shape: str | None = None


def model_options(
    model: str | None,
    recipe: str | None = None,
    *,
    user_model: str | None,
    step: list[str] | None = None,
    split: str = "validation",
    weights: Path | None,
    items: Path | None,
    input_shape: str | None,
) -> ModelOptions:
    """The arguments in their places: with --model, the first place is that of the recipe."""
    if user_model is not None:
        if recipe is not None:
            raise typer.BadParameter(
                f"{user_model} takes the place of {model}, give one of them", param_hint="--model"
            )
        model, recipe = user_model, model
    return ModelOptions(model, recipe, tuple(step or ()), split, weights, items, input_shape)
