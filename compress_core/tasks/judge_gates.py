"""Review a model, as a job: gates judged on items that were held back, with the evidence."""

from __future__ import annotations

import shlex
from collections.abc import Generator

from compress_core.apply.lineage import Compress
from compress_core.apply.model import Model
from compress_core.foundation.frozen_json import as_plain
from compress_core.foundation.knobs import Strict
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import Phrase
from compress_core.jobs.task import ResultFiles, Task
from compress_core.loading.cards import cards
from compress_core.measure.behavior.evaluate import REPORTING
from compress_core.reviews.circumstances_now import circumstances_of
from compress_core.reviews.findings import Review
from compress_core.reviews.gate import Gates
from compress_core.reviews.judging import Asked, reviewed


class ReviewKnobs(Strict):
    """The gates, the items, and where the model is meant to run; who decides signs afterwards."""

    gates: Gates
    split: str = REPORTING
    target_device: str = ""
    target_runtime: str = ""


def run(model: Model, knobs: ReviewKnobs, seed: int, store: Store) -> Generator[Progress, None, Review]:
    """Review; what is drawn follows the seed of the gates. Raises Refused as `reviewed` does."""
    around = circumstances_of(
        _command(model, knobs),
        {"model": model.subject.name},
        seed,
        device=knobs.target_device,
        runtime=knobs.target_runtime,
    )
    return (yield from reviewed(model, knobs.gates, Asked(knobs.split), around, store))


def _command(model: Model, knobs: ReviewKnobs) -> str:
    """What makes the review of a sample model again where recipe.yaml and gates.yaml of the ZIP file lie.

    Empty for other models, and for trained ones: this server does not know where their files lie.
    """
    match model.lineage:
        case (Compress(),) if isinstance(model.subject.title, Phrase) and model.subject.name in cards():
            words = ["slimscope", "review", model.subject.name, "recipe.yaml", "--gates", "gates.yaml"]
            where = {"--target-device": knobs.target_device, "--target-runtime": knobs.target_runtime}
            options = {"--split": knobs.split, **where}
            return shlex.join([*words, *(word for pair in options.items() if pair[1] for word in pair)])
    return ""


def pack(found: Review) -> ResultFiles:
    """All of it as plain values whose texts can be translated."""
    return ResultFiles({}, as_plain(found))


def unpack(packed: ResultFiles) -> Review:
    """The reverse of `pack`."""
    return Review.from_json(packed.facts)


REVIEW = Task("review", ReviewKnobs, lambda knobs: (knobs.split,), run, pack, unpack)
