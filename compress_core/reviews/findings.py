"""What a review found, as frozen values: they go into a report, through a job, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from compress_core.apply.lineage import Train
from compress_core.decide.operation_words import kind_of_operation, name_of, what_was_done
from compress_core.foundation.frozen_json import as_plain, from_plain
from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.foundation.workspace.json_text import as_text
from compress_core.measure.behavior.evaluate import REPORTING
from compress_core.reviews.alike import Alikeness
from compress_core.reviews.gate import Gates
from compress_core.reviews.gate_verdict import JudgedGate, Outcome, deciding, overall
from compress_core.reviews.verdict_reason import because
from compress_core.subject.reading_remarks import ReadingRemarks

EPOCH_CHOSEN_APART = N_(
    "Validation items chose the epoch of its training; the test items here, which judge it, chose nothing."
)
EPOCH_CHOSEN_HERE = N_(
    "Validation items chose the epoch of its training, so they tend to find it too good: only items that "
    "chose nothing judge it."
)
DIGITS = 12
BECAUSE = "because"  # follows from the gates: it is written, not read
FORMAT = 4  # of the JSON; `report_formats` reads those before


@dataclass(frozen=True)
class BeforeAfter:
    """One number of the model as loaded and of the compressed one."""

    name: str
    title: str
    before: Number
    after: Number


@dataclass(frozen=True)
class ClassChange:
    """Accuracy of one class; got_worse: whether it surely did, by Holm's method over all classes.

    p_holm is None, and got_worse False, where the change has no interval, which says why.
    """

    name: str
    before: Number
    after: Number
    change: Number
    p_holm: float | None
    got_worse: bool


@dataclass(frozen=True)
class FlippedItem:
    """An item that changed its predicted class; confidences are each model's own in its class."""

    item: int
    kind: str
    label: str | None
    before: str
    after: str
    confidence_before: float | None
    confidence_after: float | None


@dataclass(frozen=True)
class FlipCell:
    """How many items went from one predicted class to another."""

    before: str
    after: str
    count: int


@dataclass(frozen=True)
class LooksTaken:
    """How often models made of this one were looked at on these items, this review among them.

    models: different ones; first: seconds as in Unix, or None where nothing is kept. gates_since: when these
    gates were first seen here. fixed_before: whether that was before the first look; None where it is not
    known. Of items that are no test items nothing is counted: their numbers stand beside every recipe that
    is tried.
    """

    models: int
    first: float | None = None
    gates_since: float | None = None
    fixed_before: bool | None = None


@dataclass(frozen=True)
class ModelFile:
    """A file in which the model goes out: its name as it is made, its length, and its sha-256."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Decision:
    """What the reviewer says: approve, reject or approve with conditions, or nothing yet; date as written.

    files: sha-256 of the files that were listed when it was signed; None where they were not recorded, or
    nothing is decided.
    """

    reviewer: str = ""
    decision: str = ""
    notes: str = ""
    date: str = ""
    files: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ReviewedModel:
    """What was reviewed, told by digests: network, items, recipe, and all that was done to the network.

    has_labels: where the right answers came from: the items, a file for those that changed, or nowhere.
    remarks: how its files were read, which weights of a checkpoint were taken and what was left aside; None
    where the report was written before they were recorded.
    """

    name: str
    title: str
    network: str
    model: str
    split: str
    items: str
    n: int
    has_labels: str
    recipe_sha: str
    recipe: str
    lineage: tuple[Any, ...]
    gates_sha: str
    remarks: tuple[str, ...] | None

    @property
    def called(self) -> str:
        """The name of the model: digits of its recipe, and of each training that made its weights."""
        return name_of(self.lineage)

    @property
    def steps(self) -> tuple[tuple[str, str], ...]:
        """All that was done, the first first, as (name, words); a training by its whole plan.

        Empty where a recipe alone made the model.
        """
        kinds = [kind_of_operation(operation) for operation in self.lineage]
        if len(kinds) < 2 and Train.name not in kinds:
            return ()
        return tuple((name_of([done]), _step_words(done)) for done in self.lineage)

    @property
    def epoch_chosen_by(self) -> str | None:
        """What a training's choice among its epochs means for numbers on these items; None without one."""
        if not any(map(_chose_an_epoch, self.lineage)):
            return None
        return EPOCH_CHOSEN_APART if self.split == REPORTING else EPOCH_CHOSEN_HERE


@dataclass(frozen=True)
class Circumstances:
    """By what and where it was made: command, versions, machine; and where the model is meant to run.

    no_command: where no command makes it again, why, and what does; empty where there is one.
    """

    command: str
    asked: Mapping[str, Any]
    seed: int
    threads: int
    versions: Mapping[str, str]
    machine: Mapping[str, str]
    target_device: str
    target_runtime: str
    made: str
    no_command: str = ""


@dataclass(frozen=True)
class Review:
    """A verdict on a compressed model with its evidence.

    worst_class: the name of the class that lost most, None without labels. sizes and times: each number is
    exact, measured, estimated or missing with the reason. not_tested: what nobody may read into it. files:
    those of the model; None where the report was written before they were recorded.
    """

    verdict: Outcome
    model: ReviewedModel
    gates: Gates
    judged: tuple[JudgedGate, ...]
    worst_class: str | None
    classes: tuple[ClassChange, ...]
    numbers: tuple[BeforeAfter, ...]
    cells: tuple[FlipCell, ...]
    flips: tuple[FlippedItem, ...]
    alike_flips: Alikeness
    alike_sample: Alikeness
    sizes: tuple[BeforeAfter, ...]
    times: tuple[BeforeAfter, ...]
    not_tested: tuple[str, ...]
    looks: LooksTaken
    circumstances: Circumstances
    decision: Decision = field(default_factory=Decision)
    files: tuple[ModelFile, ...] | None = None
    format: int = FORMAT

    def __post_init__(self) -> None:
        assert self.verdict is overall(self.judged), "the verdict follows from the gates"

    @property
    def is_of_classes(self) -> bool:
        """Whether answers are classes: then how many changed theirs is among the numbers."""
        return any(each.name == "churn" for each in self.numbers)

    @property
    def because(self) -> str:
        """Why the verdict is what it is; of gates of which none can decide, that it is so."""
        return because(self.judged)

    @property
    def decided_by(self) -> tuple[JudgedGate, ...]:
        """The required gates on account of which the verdict is what it is."""
        return deciding(self.judged)

    @property
    def got_worse(self) -> tuple[str, ...]:
        """The classes that surely got worse."""
        return tuple(row.name for row in self.classes if row.got_worse)

    @property
    def no_class_intervals(self) -> str | None:
        """Why nobody can tell whether a class surely got worse; None where it can be told."""
        if any(row.change.low is not None for row in self.classes):
            return None
        return next((row.change.no_interval for row in self.classes), None)

    def read_with(self, remarks: ReadingRemarks) -> Review:
        """The same review of what was read with these remarks: equal models come of different files."""
        return replace(self, model=replace(self.model, remarks=remarks.sentences))

    def as_json(self) -> dict[str, Any]:
        """Plain values in English, as the report's JSON holds them: numbers with 12 digits.

        More of them would be noise, and a changed last one could stand for the same number.
        """
        said: dict[str, Any] = _rounded_off(as_plain(self, text=str))
        return {"verdict": said.pop("verdict"), BECAUSE: str(self.because), **said}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Review:
        """The reverse of `as_json` and of `as_plain`."""
        found: Review = from_plain(cls, {name: value for name, value in said.items() if name != BECAUSE})
        return found


def _chose_an_epoch(operation: Any) -> bool:
    return kind_of_operation(operation) == Train.name and operation["epochs"] > 1


def _step_words(operation: Any) -> str:
    is_training = kind_of_operation(operation) == Train.name
    return as_text(operation) if is_training else what_was_done([operation])


def _rounded_off(said: Any) -> Any:
    match said:
        case float():
            return float(f"{said:.{DIGITS}g}")
        case dict():
            return {name: _rounded_off(value) for name, value in said.items()}
        case list():
            return [_rounded_off(value) for value in said]
    return said
