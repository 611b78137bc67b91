"""Two bits a weight, and the accuracy won back: trained, chosen on validation, reported once on test."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.networks import Size
from benchmarks.trained_models import accuracy_text, trained
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.recipe.reading import parse_recipe

MODEL = "resnet"
RECIPE = {"layers": [{"match": "*", "steps": [{"technique": "uniform", "bits": 2}]}]}  # a scale for each row
PLAN = {"methods": ["qat"], "epochs": 2}


def lines(size: Size) -> Iterator[str]:
    """The model as loaded, rounded to two bits, and rounded while it learns."""
    yield "| resnet, 2 bits a weight, a step a row | validation | test | whole packed file | CPU seconds |"
    yield "| --- | --- | --- | --- | --- |"
    store, subject = Store(), load_sample(MODEL)
    yield _line("as loaded", Model.original(subject), size, store)
    rounded = compress(subject, parse_recipe(RECIPE), store)
    yield _line("rounded", rounded, size, store)
    found = trained(rounded, PLAN, size, store)
    yield _line(f"qat, {found.epochs} epochs", found.model, size, store, f"{found.seconds:.0f}")


def _line(name: str, model: Model, size: Size, store: Store, seconds: str = "") -> str:
    on = " | ".join(accuracy_text(model, split, size, store) for split in ("validation", "test"))
    packed = packed_size(model, store).value
    assert packed is not None, "a model that was trained here can be packed"
    return f"| {name} | {on} | {packed:,.0f} bytes | {seconds} |"
