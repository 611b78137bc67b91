"""A training is timed before it starts, by steps whose outcome nobody keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Magnitudes
from compress_core.foundation.progress import Progress
from compress_core.jobs.info import Info, State
from compress_core.jobs.job import Job
from compress_core.jobs.local_job import LocalJob
from compress_core.training import expected_time
from compress_core.training.expected_time import MOST_ITEMS, expected_seconds, step_time
from compress_core.training.loop import EpochDone, StepsDone, train
from compress_core.training.plan import parse_plan
from compress_core.training.soft_answers import soft_answers
from tests.training_cases import STORE, compressed, run_of, table

MAGNITUDE = {"technique": "magnitude", "sparsity": 0.5}


def clocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a second with each look at it."""
    ticks = iter(range(1000))
    monkeypatch.setattr(expected_time, "perf_counter", lambda: float(next(ticks)))


def seconds(**plan: object) -> float:
    found = expected_seconds(compressed(MAGNITUDE), parse_plan(plan), STORE)
    assert (found.unit, found.kind) == ("s", "estimated")
    assert found.value is not None
    return found.value


def test_a_training_takes_as_many_steps_and_looks_as_it_has_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    clocked(monkeypatch)
    items = table().training_items.count
    one, three = (seconds(epochs=epochs, batch_size=32) for epochs in (1, 3))
    assert three - one == pytest.approx(2 * (items // 32 + 1 + 1)), (
        "steps, what is noted, a look at validation"
    )


class Steps:
    """Steps that take so many seconds always, and so many for each item; it keeps how many items they had."""

    def __init__(self, always: float, each: float) -> None:
        self.always, self.each, self.had, self.clock = always, each, list[int](), 0.0

    def take(self, items: int) -> float:
        self.had.append(items)
        return self.always + self.each * items

    def instead(self, monkeypatch: pytest.MonkeyPatch) -> Steps:
        """Steps of expected_time take these seconds, and all else takes none."""
        monkeypatch.setattr(expected_time, "perf_counter", lambda: self.clock)
        monkeypatch.setattr(expected_time, "step", self._step)
        return self

    def _step(self, _run: object, _trainee: object, _optimizer: object, _known: object,
              index: Tensor, _moment: object) -> None:  # fmt: skip
        self.clock += self.take(len(index))


@pytest.mark.parametrize("batch_size", [64, 129, 500, 4096])
def test_a_timed_step_has_128_items_at_most(monkeypatch: pytest.MonkeyPatch, batch_size: int) -> None:
    steps = Steps(0, 1e-6).instead(monkeypatch)
    monkeypatch.setattr(expected_time, "MOST_ITEMS", 16)
    seconds(batch_size=batch_size)
    assert max(steps.had) == 16
    assert MOST_ITEMS == 128


def test_a_timed_step_has_fewer_items_where_the_values_of_one_are_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = Steps(0, 1e-6).instead(monkeypatch)
    monkeypatch.setattr(expected_time, "MOST_BYTES", 1000)
    seconds(batch_size=4096)
    assert max(steps.had) == 2, "a norm of a batch needs two"


@pytest.mark.parametrize("batch_size", [8, 50, 128, 4096])
def test_an_epoch_takes_what_its_items_take_whatever_its_batches_have(
    monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    Steps(0.0, 1e-3).instead(monkeypatch)
    count = table().training_items.count
    in_step = min(batch_size, count)
    seen = max(1, count // batch_size) * in_step
    assert seconds(batch_size=batch_size, epochs=1) == pytest.approx(seen * 1e-3)


@pytest.mark.parametrize("wanted", [16, 100, 4096])
def test_what_a_step_takes_however_few_items_it_has_is_not_counted_for_each(wanted: int) -> None:
    found = step_time(Steps(0.01, 1e-4).take, 16, wanted)
    assert found.of(wanted) == pytest.approx(0.01 + wanted * 1e-4)


def test_slow_steps_stay_small_and_are_few() -> None:
    steps = Steps(0.0, 1.0)
    assert step_time(steps.take, 128, 4096).of(100) == pytest.approx(100)
    assert (len(steps.had), max(steps.had)) == (4, 8)


def test_quick_steps_are_taken_several_times() -> None:
    steps = Steps(0.0, 1e-6)
    step_time(steps.take, 128, 128)
    assert steps.had[2:] == [128] * 4


def test_what_a_few_steps_learned_is_thrown_away() -> None:
    model = compressed(MAGNITUDE)
    before = {name: tensor.clone() for name, tensor in model.network().state_dict().items()}
    expected_seconds(model, parse_plan({"learning_rate": 1.0}), STORE)
    after = model.network().state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_the_items_to_train_on_are_not_read_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    model = compressed(MAGNITUDE)
    monkeypatch.setattr(type(model.subject.training_items), "split", property(lambda _: pytest.fail("read")))
    expected_seconds(model, parse_plan({}), STORE)


def test_a_training_that_cannot_begin_is_refused_before_it_starts() -> None:
    with pytest.raises(Refused, match="epochs"):
        seconds(epochs=1, methods=[{"method": "rewind", "rounds": 5}])


def test_steps_tell_their_mean_loss_and_add_up_to_that_of_the_epoch() -> None:
    told = list(train(run_of(compressed(MAGNITUDE), epochs=2, batch_size=32), STORE))
    steps = [one for one in told if isinstance(one, StepsDone)]
    epochs = [one for one in told if isinstance(one, EpochDone)]
    first = [one.loss for one in steps if one.done <= epochs[0].done]
    assert sum(first) / len(first) == pytest.approx(epochs[0].figures.loss), "each step reports here"
    assert steps[-1].said() == {"step": steps[-1].done, "steps": steps[-1].total, "loss": steps[-1].loss}


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 50.0])
def test_answers_at_a_temperature_are_the_softmax_of_scores_over_it(temperature: float) -> None:
    subject = table()
    model, split = Model.original(subject), subject.split("validation")
    with torch.inference_mode():
        scores = subject.network(split.inputs[3:4])[0].double()
    found = soft_answers(model, split, 3, temperature, STORE)
    assert found == pytest.approx((scores / temperature).softmax(0).numpy(), abs=1e-6)


def test_time_left_counts_from_where_a_job_went_on() -> None:
    goes_on = Info("k", State.RUNNING, Progress(60, 100, ""), seconds=10, share_before=0.4)
    assert goes_on.seconds_left == pytest.approx(20)
    assert Info("k", State.RUNNING, Progress(41, 100, ""), seconds=1, share_before=0.4).seconds_left is None


def test_time_left_of_a_second_pass_counts_from_its_own_beginning() -> None:
    job = LocalJob(Job("k", "", "", "[]", "{}", 0), Path())
    for done, total, now in ((0, 100, 5.0), (99, 100, 15.0), (20, 200, 16.0), (110, 200, 26.0)):
        job.advance(Progress(done, total, ""), now)
    assert (job.began, job.share_before) == (16.0, 0.1)
    info = Info("k", State.RUNNING, job.progress, seconds=26.0 - job.began, share_before=job.share_before)
    assert info.seconds_left == pytest.approx(10)


@pytest.mark.parametrize(("done", "total"), [(500, 984), (200, 328)])
def test_time_left_of_a_scan_that_goes_on_counts_from_what_is_known(done: int, total: int) -> None:
    job = LocalJob(Job("k", "", "", "[]", "{}", 0), Path())
    told = ((0, 1, 2.0), (done, total, 3.0), (done + 40, total, 43.0))
    for each, of, now in told:
        job.advance(Progress(each, of, ""), now)
    info = Info("k", State.RUNNING, job.progress, seconds=43.0 - job.began, share_before=job.share_before)
    assert info.seconds_left == pytest.approx(total - done - 40), "a second for each"


def test_places_over_powers_of_ten_are_one_two_and_five_times_each() -> None:
    assert Magnitudes(1e-3, 0.1).places == (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
    assert json.loads(json.dumps(Magnitudes(1e-5, 1.0).places[0])) == 1e-5
