"""Times in several processes: their interval by hand, networks that lie elsewhere, processes that end."""

from __future__ import annotations

import os
import random
import signal

import numpy as np
import pytest
import torch
from scipy.stats import t
from torch import nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import result_of
from compress_core.measure.speed import own_process
from compress_core.measure.speed.latency import latency
from compress_core.measure.speed.memory_layout import moved
from compress_core.measure.speed.own_process import in_own_process, in_this_process
from compress_core.measure.speed.repetitions import Repetitions, rounds_as_bytes, rounds_from_bytes
from compress_core.measure.speed.rounds import Effort, Rounds, Watch, finished, in_turns
from compress_core.measure.speed.runtime import Runnable, runtime_named

splits = pytest.mark.skipif(not own_process.can_split(), reason="this system copies no process")
SIDES = ("torch:original", "torch:compressed")


def rounds(slow: float, fast: float, count: int = 3) -> Rounds:
    """Rounds in which each side always took as long."""
    times = np.tile([slow, fast], (count, 1))
    return Rounds(SIDES, times, times)


def ratio(*pairs: tuple[float, float]) -> Number:
    return Repetitions(tuple(rounds(*pair) for pair in pairs)).ratio(*SIDES)


def test_the_interval_of_a_ratio_is_students_over_the_processes_in_logarithms() -> None:
    found, logs = ratio((2.0, 1.0), (3.0, 1.0), (1.5, 1.0)), np.log([2.0, 3.0, 1.5])
    low, high = np.exp(t.interval(0.95, 2, logs.mean(), logs.std(ddof=1) / np.sqrt(3)))
    assert (found.value, found.low, found.high) == pytest.approx((np.exp(logs.mean()), low, high))
    assert found.n == 3


def test_more_rounds_in_the_same_process_make_no_interval_narrower() -> None:
    few = Repetitions((rounds(2.0, 1.0), rounds(3.0, 1.0))).ratio(*SIDES)
    many = Repetitions((rounds(2.0, 1.0, 500), rounds(3.0, 1.0, 500))).ratio(*SIDES)
    assert (few.low, few.high) == (many.low, many.high)


def test_ratios_turned_around_have_the_interval_turned_around() -> None:
    there, back = ratio((2.0, 1.0), (3.0, 1.0)), ratio((1.0, 2.0), (1.0, 3.0))
    assert there.low is not None
    assert there.high is not None
    assert (back.low, back.high) == pytest.approx((1 / there.high, 1 / there.low))


def test_nineteen_of_twenty_intervals_of_a_network_against_itself_hold_1() -> None:
    """Each process is a tenth off by where things lie, far more than its rounds scatter."""
    generator = np.random.default_rng(4)
    held = 0
    for _ in range(200):
        found = ratio(*((float(np.exp(0.1 * generator.normal())), 1.0) for _ in range(8)))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 1 <= found.high
    assert held >= 184


def test_one_process_alone_gives_no_interval_and_says_why() -> None:
    found = ratio((2.0, 1.0))
    assert found.value == pytest.approx(2)
    assert found.low is None
    assert "one process only" in str(found.no_interval)


def test_what_a_process_hands_back_is_what_it_measured() -> None:
    measured = {1: rounds(2.0, 1.0), 32: rounds(7.0, 3.0, 5)}
    again = rounds_from_bytes(rounds_as_bytes(measured), dict.fromkeys((1, 32), SIDES))
    assert again[32].names == SIDES
    assert np.array_equal(again[32].cpu, measured[32].cpu)
    assert np.array_equal(again[1].wall, measured[1].wall)


def test_sides_begin_in_turn_where_their_order_is_drawn() -> None:
    ran: list[str] = []
    ticks = iter(range(10**6))
    watch = Watch(lambda: next(ticks), lambda: next(ticks), lambda: 0.0, 1)
    sides = {name: lambda name=name: ran.append(name) for name in "ab"}
    found = finished(in_turns(sides, watch, Effort(20, 20, 0.0, 0.0), random.Random(1)))
    first = ran[4::4]
    assert {first.count("a") > 4, first.count("b") > 4} == {True}
    assert found.names == ("a", "b")


def test_moved_weights_lie_elsewhere_with_the_same_values() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).eval()
    network.append(network[0])
    items, places = torch.ones(2, 4), {n: x.data_ptr() for n, x in network.state_dict().items()}
    before = network[:2](items)
    kept = moved([network], random.Random(0))
    assert kept
    assert torch.equal(network[:2](items), before)
    assert all(x.data_ptr() != places[n] for n, x in network.state_dict().items())
    assert network[2].weight is network[0].weight


@splits
def test_work_in_its_own_process_answers_and_leaves_nothing_behind() -> None:
    seen: list[int] = []

    def work() -> bytes:
        seen.append(1)
        return str(os.getpid()).encode()

    assert int(in_own_process(work)) != os.getpid()
    assert seen == []


@splits
def test_an_answer_longer_than_a_pipe_holds_arrives_whole() -> None:
    assert in_own_process(lambda: bytes(1_000_000)) == bytes(1_000_000)


@splits
@pytest.mark.parametrize("end", ["raise", "kill"])
def test_a_process_that_ends_early_is_one_sentence(end: str) -> None:
    def work() -> bytes:
        if end == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError(end)

    with pytest.raises(Refused, match="ended early"):
        in_own_process(work)


@splits
def test_a_copy_ends_with_the_process_that_it_was_copied_from() -> None:
    there, here = os.pipe()

    def outlives() -> bytes:
        signal.signal(signal.SIGALRM, lambda *_: os.write(here, b"still there"))
        signal.alarm(10)
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()
        return b""

    with pytest.raises(Refused, match="ended early"):
        in_own_process(lambda: in_own_process(outlives))
    os.close(here)
    with os.fdopen(there, "rb") as pipe:
        assert pipe.read() == b""


@splits
def test_networks_are_measured_where_they_lie_in_each_process_and_stay_where_they_lay() -> None:
    network, items = nn.Linear(4, 3).eval(), torch.ones(2, 4)
    place = network.weight.data_ptr()
    made: list[int] = []

    def ready() -> object:
        made.append(network.weight.data_ptr())
        assert network.weight.data_ptr() != place
        return network

    sides = [Runnable(runtime_named("torch"), whose, network, ready) for whose in ("original", "compressed")]
    ticks = iter(range(10**6))
    watch = Watch(lambda: next(ticks), lambda: next(ticks), lambda: 0.0, 1)
    work = latency(
        {1: sides},
        items,
        watch,
        networks=[network],
        effort=Effort(2, 2, 0.0, 0.0),
        processes=2,
        apart=in_own_process,
    )
    found = result_of(work)
    assert found.bar("torch", "compressed", 1).ratio.n == 2
    assert network.weight.data_ptr() == place
    assert made == []


def test_without_processes_of_its_own_the_networks_are_made_ready_anew_each_time() -> None:
    made: list[int] = []
    runnable = Runnable(runtime_named("torch"), "original", torch.neg, lambda: made.append(1) or torch.neg)
    ticks = iter(range(10**6))
    watch = Watch(lambda: next(ticks), lambda: next(ticks), lambda: 0.0, 1)
    effort = Effort(2, 2, 0.0, 0.0)
    result_of(
        latency({1: [runnable]}, torch.ones(2, 3), watch, effort=effort, processes=3, apart=in_this_process)
    )
    assert len(made) == 3
