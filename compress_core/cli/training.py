"""train and methods: win back by training what compression cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from compress_core.cli import printing
from compress_core.cli.arguments import (
    ForceOption,
    JsonOption,
    ModelOptions,
    OutOption,
    about_a_model,
    writing,
)
from compress_core.cli.kept_training import (
    interrupted_in,
    kept_in_workspace,
    weights_lost,
    written_to_folder,
)
from compress_core.foundation.errors import Refused

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.cli.loading import Case
    from compress_core.training.checkpoint import EpochFigures
    from compress_core.training.loop import Trained
    from compress_core.training.objective import TrainingObjective
    from compress_core.training.plan import Plan

MethodsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="METHOD",
        help="How it is trained; repeat it for several at once. See slimscope methods.",
        show_default=False,
    ),
]
ResumeOption = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        metavar="DIR",
        help="Go on with a training that was interrupted, from its last whole epoch.",
        show_default=False,
    ),
]
TeacherOption = Annotated[
    str | None,
    typer.Option(
        "--teacher",
        metavar="MODEL",
        help="Whom distill learns from, a sample or package.module:factory; the model as loaded if left out.",
        show_default=False,
    ),
]
_KNOBS = "slimscope.knobs"


class WithKnobs(TyperCommand):
    """A command to which every option that it does not know is a knob: which there are, methods decide."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Set the knobs aside, with their values, and parse the rest."""
        known = {option for parameter in self.params for option in parameter.opts} | {"--help", "-h"}
        rest: list[str] = []
        knobs: list[str] = []
        left = list(args)
        while left:
            word = left.pop(0)
            is_knob = word.startswith("--") and word.partition("=")[0] not in known
            (knobs if is_knob else rest).append(word)
            if left and (is_knob or word in known) and "=" not in word and not self._is_flag(word):
                (knobs if is_knob else rest).append(left.pop(0))
        ctx.meta[_KNOBS] = knobs
        return super().parse_args(ctx, rest)

    def _is_flag(self, word: str) -> bool:
        return any(getattr(p, "is_flag", False) and word in p.opts for p in self.params) or word in {
            "-h",
            "--help",
        }


_ASKED = (
    "model",
    "weights",
    "entry",
    "items",
    "train",
    "preprocessing",
    "label_column",
    "input_shape",
    "task",
)
_FILES = frozenset({"weights", "items", "train"})


@about_a_model(trains=True, without=("trained",))
def train(
    asked: ModelOptions,
    context: typer.Context,
    method: MethodsOption = None,
    teacher: TeacherOption = None,
    out: OutOption = None,
    resume: ResumeOption = None,
    force: ForceOption = False,
) -> None:
    """Train a compressed model, and print what it is worth then.

    What is pruned stays zero, what is quantized keeps its codes. Every knob of the training and of its
    methods is an option: --epochs 3 --learning-rate 0.001 --temperature 4; slimscope methods lists them.
    Each epoch goes to stderr and into the folder of --out, so that --resume DIR goes on where a training
    was interrupted, to the same end. Other commands take the trained model with --trained DIR.
    """
    from compress_core.cli.loading import open_case

    if resume is not None:
        _refuse_beside(resume, teacher)
        asked, out, plan = _as_it_began(asked, resume, method, context.meta[_KNOBS])
        teacher = _teacher_as_it_began(resume)
    else:
        from compress_core.training.flat_plan import flat_plan

        plan = flat_plan(method or [], _knobs(context.meta[_KNOBS]))
        if out is not None:
            _refuse_strangers(out, force=force)
    case = open_case(asked)
    left = _trained(case, plan, out, teacher, resumed=resume is not None)
    _print(replace(case, model=left.model), left.trained)
    if left.not_kept is not None:
        raise left.not_kept


def _knobs(typed: Sequence[str]) -> dict[str, object]:
    """--learning-rate 0.01 and --learning-rate=0.01 as {"learning_rate": 0.01}; raises Refused."""
    from compress_core.cli.loading import value_of_text

    found: dict[str, object] = {}
    left = list(typed)
    while left:
        option = left.pop(0)
        name, equals, text = option.partition("=")
        if not option.startswith("--") or (not equals and not left):
            raise Refused(
                "A knob is written --epochs 3, but got {got}: correct it; slimscope methods lists them.",
                got=option,
            )
        found[name.removeprefix("--").replace("-", "_")] = value_of_text(text if equals else left.pop(0))
    return found


def _as_it_began(
    asked: ModelOptions, folder: Path, method: Sequence[str] | None, knobs: Sequence[str]
) -> tuple[ModelOptions, Path, Plan]:
    """The training of a folder as it was asked for; raises Refused where more is said of it."""
    from compress_core.apply.lineage import Compress, Train, read_lineage
    from compress_core.deliver.trained_folder import HISTORY, read_history
    from compress_core.training.plan import parse_plan

    if (
        any(getattr(asked, name) is not None for name in _ASKED)
        or asked.recipe
        or asked.steps
        or method
        or knobs
    ):
        raise Refused("--resume {folder} goes on as it began: leave everything else out.", folder=folder)
    said = read_history(folder)
    lineage = read_lineage(said["lineage"])
    began = said.get("asked")
    if not lineage or not isinstance(lineage[-1], Train) or not isinstance(began, Mapping):
        raise Refused("{file} does not say how the training began: train anew.", file=folder / HISTORY)
    steps = [operation.recipe for operation in lineage if isinstance(operation, Compress)]
    said_then: dict[str, Any] = {name: began.get(name) for name in _ASKED}
    said_then |= {name: Path(said_then[name]) for name in _FILES if said_then[name] is not None}
    options = replace(asked, **said_then, resolved=steps[0] if steps else None)
    return options, folder, parse_plan(json.loads(lineage[-1].plan))


def _refuse_beside(folder: Path, teacher: str | None) -> None:
    if teacher is not None:
        raise Refused("--resume {folder} goes on as it began: leave everything else out.", folder=folder)


def _teacher_as_it_began(folder: Path) -> str | None:
    from compress_core.deliver.trained_folder import read_history

    began: str | None = read_history(folder)["asked"].get("teacher")
    return began


def _refuse_strangers(out: Path, *, force: bool) -> None:
    from compress_core.deliver.own_files import refuse_to_replace
    from compress_core.deliver.trained_folder import FILES

    with writing(out):
        refuse_to_replace([out / name for name in FILES], force=force)


@dataclass(frozen=True, eq=False)
class _Left:
    """What a training left; not_kept: why it is nowhere but in this process, None where it is."""

    trained: Trained
    model: Model
    not_kept: Refused | None


def _trained(case: Case, plan: Plan, out: Path | None, teacher: str | None, *, resumed: bool) -> _Left:
    """Run the training with an epoch a line on stderr, each kept in the folder; what it left.

    What was learned in hours is not lost with a disk that does not take it: that is told, not raised.
    """
    from compress_core.deliver.trained_folder import CHECKPOINT, WEIGHTS, read_value, write_history
    from compress_core.tasks.train_model import TrainKnobs, run_of
    from compress_core.training.checkpoint import Checkpoint
    from compress_core.training.loop import train as train_loop

    asked = TrainKnobs(plan=plan.text)
    taught_by = _named_teacher(case, teacher)
    run = run_of(case.model, asked, taught_by)
    began = {name: _plain(getattr(case.chosen, name)) for name in _ASKED}
    began |= {} if teacher is None else {"teacher": teacher}
    checkpoint = None
    if out is not None:
        if resumed and (out / CHECKPOINT).exists():
            checkpoint = read_value(out / CHECKPOINT, Checkpoint)
        with writing(out):
            if not resumed:  # where another training stood must not be taken for where this one does
                (out / CHECKPOINT).unlink(missing_ok=True)
            write_history(out, (*case.model.lineage, run.operation), {"asked": began})
            if not resumed:  # a full disk has left them by now
                (out / WEIGHTS).unlink(missing_ok=True)
    trained = _watched(train_loop(run, case.store, checkpoint), run.objective, out)
    model, trouble = kept_in_workspace(case, asked, trained, taught_by)
    if out is None:
        reason = trouble or case.store.not_kept
        return _Left(trained, model, None if reason is None else weights_lost(reason))
    not_kept = written_to_folder(out, trained, model, began)
    if trouble is not None and not_kept is None:
        typer.echo(f"The trained model is in {out} alone: take it with --trained {out}. {trouble}", err=True)
    return _Left(trained, model, not_kept)


def _named_teacher(case: Case, teacher: str | None) -> Model | None:
    """The model of that name, on the items of the student where it brings none; raises Refused."""
    from compress_core.apply.model import Model
    from compress_core.cli.loading import open_subject

    if teacher is None:
        return None
    shape = "x".join(map(str, case.subject.input.shape)) if case.chosen.items is None else None
    chosen = replace(case.chosen, model=teacher, weights=None, train=None, input_shape=shape)
    return Model.original(open_subject(chosen, case.subject.remarks.sentences))


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def _watched(work: Any, objective: TrainingObjective, out: Path | None) -> Trained:
    from compress_core.deliver.trained_folder import CHECKPOINT, write_value
    from compress_core.training.loop import EpochDone

    while True:
        try:
            progress = next(work)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if isinstance(progress, EpochDone):
            trouble = None
            if out is not None and progress.checkpoint is not None:
                try:
                    write_value(out, CHECKPOINT, progress.checkpoint)
                except OSError as error:
                    trouble = interrupted_in(out, error)
            typer.echo(_epoch_line(progress.figures, objective), err=True)  # what is said is kept
            if trouble is not None:
                raise trouble


def _epoch_line(figures: EpochFigures, objective: TrainingObjective) -> str:
    title, score = objective.metric.title, printing.with_interval(figures.score)
    return f"epoch {figures.epoch}: {objective.loss_name} {figures.loss:.4f}, validation: {title} {score}"


def _print(case: Case, trained: Trained) -> None:
    from compress_core.cli.numbers_json import evaluation, headline, numbers_of, titled

    numbers = numbers_of(case)
    if case.chosen.as_json:
        history = [figures.as_json() for figures in trained.history]
        ended = None if trained.ended is None else str(trained.ended)
        training = {"epoch": trained.epoch, "ended": ended, "history": history}
        printing.print_json({**evaluation(case, numbers), "training": training})
        return
    if trained.ended is not None:
        typer.echo(f"{trained.ended} The best epoch before is kept.")
    typer.echo(headline(case))
    printing.print_table(printing.NUMBER_HEADS, printing.number_rows(titled(numbers)))
    typer.echo(f"\nWeights of epoch {trained.epoch} of {len(trained.history)}.")


def methods(as_json: JsonOption = False) -> None:
    """The training methods with their knobs, and the knobs of every training."""
    from compress_core.cli.listing import knob_schema
    from compress_core.training.method import training_methods
    from compress_core.training.plan import TrainingKnobs

    found = training_methods().values()
    if as_json:
        common = {"name": "training", "knobs": knob_schema(TrainingKnobs)}
        told = [
            {"name": m.name, "summary": m.summary, "source": m.source, "knobs": knob_schema(m.knobs)}
            for m in found
        ]
        printing.print_json([common, *told])
        return
    rows = [["every training", _options(TrainingKnobs), "", ""]]
    rows += [[method.name, _options(method.knobs), method.summary, method.source] for method in found]
    printing.print_table(("method", "options", "what it does", "source"), rows)


def _options(knobs: Any) -> str:
    return " ".join(f"--{name.replace('_', '-')}" for name in knobs.model_fields)
