"""Two bits a weight, and the accuracy won back: trained, chosen on validation, reported once on test."""

from __future__ import annotations

from collections.abc import Iterator
from time import process_time

from benchmarks.networks import FULL, Size
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.apply.trained import trained_model
from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.number import Number
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store, digest
from compress_core.loading.samples import load_sample
from compress_core.measure.behavior.evaluate import evaluate
from compress_core.recipe.reading import parse_recipe
from compress_core.subject.split import Split
from compress_core.training.loop import train
from compress_core.training.plan import parse_plan
from compress_core.training.training_run import TrainingRun

MODEL = "resnet"
RECIPE = {"layers": [{"match": "*", "steps": [{"technique": "uniform", "bits": 2}]}]}  # a scale for each row
PLAN = {"methods": ["qat"], "epochs": 2}
_FEW, _FEWER = 256, 64


def lines(size: Size) -> Iterator[str]:
    """The model as loaded, rounded to two bits, and rounded while it learns."""
    yield "| resnet, 2 bits a weight, a step a row | validation | test | whole packed file | CPU seconds |"
    yield "| --- | --- | --- | --- | --- |"
    store, subject = Store(), load_sample(MODEL)
    few = None if size == FULL else _FEWER
    original = Model.original(subject)
    yield _line("as loaded", original, store, few)
    rounded = compress(subject, parse_recipe(RECIPE), store)
    yield _line("rounded", rounded, store, few)
    items = subject.split("training")
    run = TrainingRun(
        rounded,
        parse_plan(PLAN if size == FULL else {**PLAN, "epochs": 1}),
        items if size == FULL else items.first(_FEW),
        _some(subject.split("validation"), few),
    )
    began = process_time()
    found = result_of(train(run, store))
    seconds = process_time() - began
    trained = trained_model(rounded, run.operation, found.weights, digest("benchmark", run.operation.key))
    yield _line(f"qat, {run.plan.knobs.epochs} epochs", trained, store, few, f"{seconds:.0f}")


def _line(name: str, model: Model, store: Store, few: int | None, seconds: str = "") -> str:
    validation, test = (
        evaluate(model, _some(model.subject.split(split), few), store)["accuracy"]
        for split in ("validation", "test")
    )
    size = packed_size(model, store).value
    packed = "" if size is None else f"{size:,.0f} bytes"
    return f"| {name} | {_percent(validation)} | {_percent(test)} | {packed} | {seconds} |"


def _some(split: Split, few: int | None) -> Split:
    return split if few is None else split.first(few)


def _percent(number: Number) -> str:
    if number.value is None or number.low is None or number.high is None:
        return "not measured"
    return f"{number.value:.2%} ({number.low:.2%} to {number.high:.2%}, N = {number.n:,})"
