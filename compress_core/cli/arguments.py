"""What the commands can be told, declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import Field, dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from compress_core.foundation.errors import Refused
from compress_core.foundation.one_file_each import names_in

if TYPE_CHECKING:
    from compress_core.recipe.values import ResolvedRecipe

ModelArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="A sample model, package.module:factory, torchvision:NAME, timm:NAME, or weights: "
        "safetensors, a state dict or checkpoint, an index of several files, or the folder that holds "
        "them.",
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
EntryOption = Annotated[
    str | None,
    typer.Option(
        "--entry",
        metavar="NAME",
        help="Which weights of a checkpoint that holds several, such as ema.",
        show_default=False,
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FILE",
        help="Other items with their labels: .npz, a table (.csv, .parquet), or a folder that holds a folder "
        "of pictures for each class.",
        show_default=False,
    ),
]
TrainOption = Annotated[
    Path | None,
    typer.Option(
        "--train",
        metavar="FILE",
        help="Items to train on, with labels; none of them may be among those it is judged on.",
        show_default=False,
    ),
]
PreprocessingOption = Annotated[
    str | None,
    typer.Option(
        "--preprocessing",
        metavar="TEXT",
        help="What is done to pictures: imagenet, or as in 'resize=256 crop=224 mean=0.5 std=0.5'.",
        show_default=False,
    ),
]
LabelColumnOption = Annotated[
    str | None,
    typer.Option(
        "--label-column",
        metavar="NAME",
        help="Which column of a table is the label: its name, its number from 1, or none.",
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
TaskOption = Annotated[
    str | None,
    typer.Option(
        "--task",
        metavar="TASK",
        help="What is asked of a network, where answers and labels do not tell it: classification, labels "
        "(several, each by itself), regression, tokens, next_token (a language model) or embedding.",
        show_default=False,
    ),
]
TrainedOption = Annotated[
    Path | None,
    typer.Option(
        "--trained",
        metavar="DIR",
        help="The model that slimscope train left in a folder; its recipe stands there. RECIPE and --step "
        "are done to what it left.",
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
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace files that are there, though slimscope did not write them.")
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
OnlyOption = Annotated[
    str | None,
    typer.Option(
        "--only",
        metavar="KIND",
        help="Draw from the items whose predicted class changed: flips, right_to_wrong, wrong_to_right or "
        "wrong_to_wrong.",
        show_default=False,
    ),
]
ValueOption = Annotated[
    int | None,
    typer.Option(
        "--value",
        metavar="NUMBER",
        min=0,
        help="Which of the real numbers that a model answers with is explained, from 0; else the first.",
        show_default=False,
    ),
]
LayersOption = Annotated[
    bool,
    typer.Option(
        "--layers", help="Print a row for each layer too: zeros, bytes, MACs and the error of its output."
    ),
]
MarginOption = Annotated[
    float | None,
    typer.Option(
        "--margin",
        metavar="POINTS",
        help="How many points of accuracy may be lost; 0.3 unless said otherwise.",
        show_default=False,
    ),
]
LockedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--locked",
        metavar="NAME",
        help="A layer or group that stays as it is; repeat it for more.",
        show_default=False,
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="SEED",
        min=0,
        max=2**31 - 1,
        help="Draws the items, the noise and the shuffled weights.",
    ),
]


@dataclass(frozen=True)
class ModelOptions:
    """Which model, which recipe and which items were asked for, and how the answer is printed.

    resolved: the recipe where it was not typed but read, as from the folder of a training.
    """

    model: str | None
    recipe: str | None = None
    steps: tuple[str, ...] = ()
    split: str = "validation"
    weights: Path | None = None
    entry: str | None = None
    items: Path | None = None
    train: Path | None = None
    preprocessing: str | None = None
    label_column: str | None = None
    input_shape: str | None = None
    task: str | None = None
    as_json: bool = False
    trained: Path | None = None
    resolved: ResolvedRecipe | None = None


@dataclass(frozen=True)
class SharedOptions:
    """What every command about a model can be told, as typed; the arguments first."""

    model: ModelArgument = None
    recipe: RecipeArgument = None
    step: StepOption = None
    split: SplitOption = "validation"
    user_model: UserModelOption = None
    weights: WeightsOption = None
    entry: EntryOption = None
    items: DataOption = None
    train: TrainOption = None
    preprocessing: PreprocessingOption = None
    label_column: LabelColumnOption = None
    input_shape: ShapeOption = None
    task: TaskOption = None
    trained: TrainedOption = None
    as_json: JsonOption = False

    def in_place(self) -> ModelOptions:
        """What was typed, in its place: with --model, the first argument is the recipe."""
        model, recipe = self.model, self.recipe
        if self.user_model is not None:
            if recipe is not None:
                raise typer.BadParameter(
                    f"{self.user_model} takes the place of {model}, give one of them", param_hint="--model"
                )
            model, recipe = self.user_model, model
        return ModelOptions(
            model=model,
            recipe=recipe,
            steps=tuple(self.step or ()),
            split=self.split,
            weights=self.weights,
            entry=self.entry,
            items=self.items,
            train=self.train,
            preprocessing=self.preprocessing,
            label_column=self.label_column,
            input_shape=self.input_shape,
            task=self.task,
            as_json=self.as_json,
            trained=self.trained,
        )


def refuse_a_recipe(asked: ModelOptions, command: str) -> None:
    """Raises Refused where a command that finds recipes is given one: what it tells is of no other model."""
    if asked.recipe is not None or asked.steps:
        raise Refused(
            "slimscope {command} finds the recipe itself, from the model as it is: leave RECIPE and "
            "--step out. --locked names layers that stay as they are.",
            command=command,
        )


Command = Callable[..., None]


def about_a_model(*, without: Collection[str] = (), trains: bool = False) -> Callable[[Command], Command]:
    """Give a command the shared options, less some; what was typed is its first argument.

    Its own options stand between the shared arguments and the shared options. trains: whether it takes items
    to train on too.
    """
    left_out = {*without} if trains else {*without, "train"}
    shared = [_parameter(field) for field in fields(SharedOptions) if field.name not in left_out]

    def expanded(command: Command) -> Command:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        first = [p for p in shared if p.name in {"model", "recipe"}]
        parameters = [*first, *own, *(p for p in shared if p not in first)]
        parameters.sort(key=lambda p: p.default is not p.empty)  # a context has no default

        @wraps(command)
        def run(**typed: Any) -> None:
            told = SharedOptions(**{p.name: typed.pop(p.name) for p in shared})
            command(told.in_place(), **typed)

        run.__annotations__ = {p.name: p.annotation for p in parameters}
        vars(run)["__signature__"] = inspect.Signature(parameters)
        return run

    return expanded


def _parameter(field: Field[Any]) -> inspect.Parameter:
    hint = get_type_hints(SharedOptions, include_extras=True)[field.name]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(field.name, kind, default=field.default, annotation=hint)


@contextmanager
def printed_before_refusal(print_it: Callable[[], None]) -> Iterator[None]:
    """Inside the `with` block what was measured is written; where that is refused it is printed first."""
    try:
        yield
    except Refused:
        print_it()
        raise


@contextmanager
def writing(out: Path, option: str = "--out") -> Iterator[None]:
    """Inside the `with` block files are written there; raises Refused where that fails.

    option: what names the place, so that the sentence says what to change.
    """
    try:
        yield
    except OSError as error:
        raise Refused(
            "{out} cannot be written ({reason}): choose another place with {option}.",
            out=out,
            option=option,
            reason=error.strerror,
        ) from None
