"""One class on one link, over the connections that browsers would open: all predict, the teacher reveals.

Everybody does one thing every few seconds. What all said is compared with what the teacher's page shows, and
each client's own model with what it made of it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qs

from benchmarks.crowd import process_now
from benchmarks.page_visitor import PageVisitor
from dashboard.figures.class_predictions import class_predictions
from dashboard.learn.classroom.prediction_bins import prediction_bins
from dashboard.learn.lesson_files import lessons
from dashboard.visitor import COOKIE

LESSON, MODEL, LAYER, TABLE = "smallest_weights", "lenet300", "fc1", "tune.table."
LAYERS = ("fc2", "fc3", "fc1")
OPENS, BEFORE, COMMITS, SEES, STEPS, ANSWERS, LOOKS, EDITS = (
    "opens the link",
    "answers before",
    "commits or changes",
    "sees the reveal",
    "goes a step on",
    "answers after",
    "looks at another layer",
    "edits its own model",
)
_LOOKS_AGAIN_S = 0.5  # the teacher, while all others do something
SECOND_TABS, CHANGES, EDITS_EACH = 6, 3, 3  # every sixth opens a second tab, every third thinks again


@dataclass
class ClassVisits:
    """What was seen: (kind, seconds) of every action, and a sentence for each thing not as it must be.

    cpu: the server's seconds while all did a thing of a kind, with what browsers asked for by themselves.
    """

    server: int
    waits: list[tuple[str, float]] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def of(self, *kinds: str) -> list[float]:
        """The seconds of all actions of these kinds."""
        return [seconds for kind, seconds in self.waits if kind in kinds]

    @contextmanager
    def counting(self, kind: str) -> Iterator[None]:
        """Count what the server does meanwhile as that of a kind."""
        before = process_now(self.server)[2]
        yield
        self.cpu[kind] = self.cpu.get(kind, 0.0) + process_now(self.server)[2] - before

    def expect(self, found: object, wanted: object, what: str) -> None:
        """Note where the page says otherwise."""
        if found != wanted:
            self.faults.append(f"{what}: {found!r}, not {wanted!r}")


@dataclass
class _Pupil:
    number: int
    link: str
    address: str
    page: PageVisitor
    predicted: float = 0.0

    @property
    def cookie(self) -> str:
        """The word that this pupil's browser keeps."""
        return f"{COOKIE}={self.number + 1:032x}"


async def held_class(address: str, server: int, pupils: int, every: float) -> ClassVisits:
    """Hold a class of so many, each of whom does something every so many seconds; server: its process."""
    seen, chance = ClassVisits(server), random.Random(pupils)  # noqa: S311 - who clicks when is no secret
    teacher = await PageVisitor.open(address, f"lesson={LESSON}&lang=en", "learn")
    await teacher.act("learn.class.start", value=True)
    code = parse_qs(teacher.query)["class"][0]
    link = f"lesson={LESSON}&lang=en&class={code}"

    async def opened(number: int) -> _Pupil:
        await asyncio.sleep(every * chance.random())
        pupil = _Pupil(number, link, address, teacher)
        started = time.monotonic()
        pupil.page = await PageVisitor.open(address, link, "learn", pupil.cookie)
        seen.waits.append((OPENS, time.monotonic() - started))
        return pupil

    with seen.counting(OPENS):
        group = await asyncio.gather(*(opened(number) for number in range(pupils)))

    async def all_do(kind: str, act: Callable[[_Pupil], Awaitable[float]]) -> None:
        async def one(pupil: _Pupil) -> None:
            await pupil.page.pause(every * chance.random())
            seen.waits.append((kind, await act(pupil)))

        with seen.counting(kind):
            done = asyncio.gather(*(one(pupil) for pupil in group))
            while not (await asyncio.wait([done], timeout=_LOOKS_AGAIN_S))[0]:
                await teacher.ask()
            await done

    await all_do(BEFORE, _answers_before)
    await all_do(COMMITS, _commits)
    await all_do(COMMITS, _thinks_again)
    await _in_second_tabs(group)
    await teacher.ask()
    _check_predictions(teacher, group, seen)
    seen.expect(any(pupil.page.says("96.15") for pupil in group), wanted=False, what="seen before the reveal")
    await _reveal(teacher, group, seen)
    for stage in (2, 3, 4):
        await all_do(STEPS, partial(_goes_on, stage))
        await teacher.act(f"learn.{LESSON}.to.{stage}", value=True)
    for question in range(3):
        await all_do(ANSWERS, partial(_answers_after, question))
    await teacher.ask()
    _check_answers(teacher, group, seen)
    await _own_models(group, seen, every, chance)
    await asyncio.gather(teacher.close(), *(pupil.page.close() for pupil in group))
    return seen


def _answer(number: int, question: int) -> str:
    """What a pupil answers: each another one, before and after alike."""
    answers = lessons()[LESSON].quiz[question].answers
    return answers[number % len(answers)].text


async def _answers_before(pupil: _Pupil) -> float:
    said: dict[str, object] = {
        f"learn.{LESSON}.before.{question}": _answer(pupil.number, question) for question in range(3)
    }
    return await pupil.page.act_together({**said, f"learn.{LESSON}.before.send": True})


async def _commit(pupil: _Pupil, page: PageVisitor, predicted: float) -> float:
    pupil.predicted = predicted
    return await page.act_together(
        {f"learn.{LESSON}.predicted": predicted, f"learn.{LESSON}.commit": True},
    )


async def _commits(pupil: _Pupil) -> float:
    return await _commit(pupil, pupil.page, float(pupil.number * 7 % 100))


async def _thinks_again(pupil: _Pupil) -> float:
    again = pupil.predicted if pupil.number % CHANGES else 99.0 - pupil.predicted
    return await _commit(pupil, pupil.page, again)


async def _in_second_tabs(group: list[_Pupil]) -> None:
    """Some open the link once more in the same browser, and predict something else there."""
    for pupil in group[::SECOND_TABS]:
        tab = await PageVisitor.open(pupil.address, pupil.link, "learn", pupil.cookie)
        await _commit(pupil, tab, 50.0)
        await tab.close()


def _check_predictions(teacher: PageVisitor, group: list[_Pupil], seen: ClassVisits) -> None:
    asked = lessons()[LESSON].prediction
    bins = prediction_bins([pupil.predicted for pupil in group], asked.low, asked.high)
    drawn = class_predictions(bins.edges, bins.counts, label="", title="").alternative
    shown = next((text for text in reversed(teacher.texts) if "Predictions: " in text), "")
    seen.expect(teacher.metrics["Joined"], str(len(group)), "joined")
    seen.expect(teacher.metrics["Committed"], str(len(group)), "committed")
    seen.expect(shown.partition("Predictions: ")[2], drawn.removeprefix("Predictions: "), "bins")


async def _reveal(teacher: PageVisitor, group: list[_Pupil], seen: ClassVisits) -> None:
    started = time.monotonic()

    async def until_seen(pupil: _Pupil) -> None:
        await pupil.page.until_it_says("96.15")
        seen.waits.append((SEES, time.monotonic() - started))
        seen.expect(pupil.page.says(f"You said {pupil.predicted:.2f} %"), wanted=True, what="own prediction")

    with seen.counting(SEES):
        await asyncio.gather(teacher.act(f"learn.{LESSON}.reveal", value=True), *map(until_seen, group))


async def _goes_on(stage: int, pupil: _Pupil) -> float:
    return await pupil.page.act(f"learn.{LESSON}.to.{stage}", value=True)


async def _answers_after(question: int, pupil: _Pupil) -> float:
    return await pupil.page.act(f"learn.{LESSON}.quiz.{question}", _answer(pupil.number, question))


def _check_answers(teacher: PageVisitor, group: list[_Pupil], seen: ClassVisits) -> None:
    table = next((text for text in reversed(teacher.texts) if "Right before" in text), "")
    rows = table.replace("\u00a0", " ").splitlines()[2:]
    for question, row in zip(lessons()[LESSON].quiz, rows, strict=True):
        right = next(place for place, answer in enumerate(question.answers) if answer.is_right)
        count = sum(pupil.number % len(question.answers) == right for pupil in group)
        said = f"{count} of {len(group)}"
        seen.expect(
            [cell.strip() for cell in row.split("|")[2:4]], [said, said], f"answers to {question.text}"
        )


async def _own_models(group: list[_Pupil], seen: ClassVisits, every: float, chance: random.Random) -> None:
    """Each prunes its own model in a tab of its own, and looks at it again when all others have."""

    async def opened(pupil: _Pupil) -> PageVisitor:
        await asyncio.sleep(every * chance.random())
        return await PageVisitor.open(pupil.address, f"m={MODEL}&lang=en", "tune", pupil.cookie)

    async def works(pupil: _Pupil, tab: PageVisitor) -> None:
        due = time.monotonic() + every * chance.random()
        for turn in range(2 * EDITS_EACH):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if turn % 2:
                took = await tab.at_table(TABLE, LAYER, "prune", _share(pupil, turn // 2))
            else:
                took = await tab.at_table(TABLE, LAYERS[turn // 2 % len(LAYERS)], "name")
            seen.waits.append((EDITS if turn % 2 else LOOKS, took))
            due = max(due + every, time.monotonic())

    tabs = await asyncio.gather(*map(opened, group))
    with seen.counting(EDITS):
        await asyncio.gather(*map(works, group, tabs))
    for pupil, tab in zip(group, tabs, strict=True):
        await tab.at_table(TABLE, LAYER, "name")
        row = next(row for row in tab.table(TABLE)["rows"] if row["id"] == LAYER)
        wanted = _share(pupil, EDITS_EACH - 1)
        seen.expect(row["cells"]["prune"]["text"], wanted, f"the model of pupil {pupil.number}")
        await tab.close()


def _share(pupil: _Pupil, turn: int) -> str:
    """Percent that nobody else removes."""
    return f"{10 + 20 * turn + 0.5 * pupil.number:g}"
