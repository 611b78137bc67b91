"""Measuring in turns: the arithmetic of rounds with a clock turned by hand, runtimes on real items."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.foundation.texts import Phrase
from compress_core.measure.speed.break_even import BreakEven, break_even_table
from compress_core.measure.speed.kernel_variants import KernelVariant
from compress_core.measure.speed.latency import latency, parity_of
from compress_core.measure.speed.own_process import in_this_process
from compress_core.measure.speed.rounds import (
    Effort,
    Rounds,
    Spread,
    Watch,
    finished,
    in_turns,
    load_warning,
    one_thread,
    waiting_warning,
)
from compress_core.measure.speed.runtime import Runnable, TimedModel, runtime_named
from compress_core.recipe.values import Step
from compress_core.tasks.measure_latency import LATENCY, LatencyKnobs, run
from tests.subjects import loaded_sample, mlp_subject, rules, tiny_subject

THREE = Effort(rounds_least=3, rounds_most=3, seconds=0.0, turn=0.0)


class Turned:
    """A clock that only moves when something runs; the wall goes `ahead` times as fast as the processor."""

    def __init__(self, ahead: float = 1.0, load: float = 0.0) -> None:
        self.now, self.ran = 0.0, []
        self.watch = Watch(lambda: ahead * self.now, lambda: self.now, lambda: load, 2)

    def taking(self, name: str, seconds: float) -> Callable[[], object]:
        def run() -> None:
            self.ran.append(name)
            self.now += seconds

        return run

    def runnable(self, runtime: str, whose: str, seconds: float) -> Runnable:
        run = self.taking(f"{runtime}:{whose}", seconds)
        return Runnable(runtime_named(runtime), whose, lambda batch: (run(), batch)[1])


def test_sides_take_turns_and_each_is_run_once_before_it_counts() -> None:
    clock = Turned()
    rounds = finished(
        in_turns({"a": clock.taking("a", 2.0), "b": clock.taking("b", 1.0)}, clock.watch, THREE)
    )
    assert "".join(clock.ran) == "aabb" * 4
    assert rounds.milliseconds("a").value == 2000
    assert (rounds.ratio("a", "b").value, rounds.ratio("b", "a").value) == (2, 0.5)
    assert rounds.ratio("a", "b").n == 3


def test_what_is_too_short_for_the_clock_is_repeated() -> None:
    clock, effort = Turned(), Effort(3, 3, 0.0, turn=0.25)
    finished(in_turns({"a": clock.taking("a", 0.0625)}, clock.watch, effort))
    assert len(clock.ran) == 2 + 3 * 5


def test_rounds_go_on_until_the_time_is_used_up() -> None:
    clock, effort = Turned(), Effort(2, 100, 10.0, 0.0)
    rounds = finished(in_turns({"a": clock.taking("a", 1.0)}, clock.watch, effort))
    assert len(rounds.cpu) == 5


def test_the_ratio_is_the_median_of_the_rounds_ratios_not_of_the_times() -> None:
    times = np.array([[4.0, 1.0], [8.0, 8.0], [2.0, 1.0]])
    assert Rounds(("a", "b"), times, times).ratio("a", "b").value == 2


def test_the_interval_of_a_median_leaves_outliers_out() -> None:
    spread = Spread.of([1000.0, *map(float, range(24))])
    assert spread.low <= spread.middle <= spread.high < 23
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)


@pytest.mark.parametrize(("load", "cores", "warned"), [(1.2, 2, False), (1.6, 2, True), (20, 64, False)])
def test_a_load_of_more_than_half_the_cores_is_warned_of(load: float, cores: int, warned: bool) -> None:
    assert bool(load_warning(load, cores)) == warned


def test_rounds_that_waited_for_the_processor_are_warned_of() -> None:
    once = np.ones((3, 2))
    assert not waiting_warning([Rounds(("a", "b"), once, once)])
    (said,) = waiting_warning([Rounds(("a", "b"), once, once), Rounds(("a", "b"), 2 * once, once)])
    assert "2.0 times" in said


def test_torch_has_its_threads_back_even_when_the_work_is_cancelled() -> None:
    before = torch.get_num_threads()
    clock = Turned()
    work = latency({1: [clock.runnable("torch", "original", 1.0)]}, torch.ones(2, 3), clock.watch)
    torch.set_num_threads(2)
    try:
        next(work)
        assert torch.get_num_threads() == 1
        work.close()
        assert torch.get_num_threads() == 2
        with one_thread():
            assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_each_bar_is_compared_with_the_original_in_its_own_family_and_in_torch() -> None:
    clock = Turned(load=5.0)
    costs = {
        ("torch", "original"): 8.0,
        ("torch", "compressed"): 4.0,
        ("onnxruntime", "original"): 6.0,
        ("onnxruntime_int8", "compressed"): 2.0,
    }
    runnables = [clock.runnable(*key, seconds) for key, seconds in costs.items()]
    steps = []
    work = latency({1: runnables, 4: runnables}, torch.ones(2, 3), clock.watch, effort=THREE, processes=3)
    while True:
        try:
            steps.append(next(work))
        except StopIteration as end:
            found = end.value
            break
    assert [(step.done, step.total) for step in steps] == [(0, 3), (1, 3), (2, 3)]
    bar = found.bar("onnxruntime_int8", "compressed", 4)
    found_there = (bar.milliseconds.value, bar.ratio.value, bar.ratio_to_torch.value)
    assert found_there == pytest.approx((2000, 3, 4))
    assert found.bar("torch", "compressed", 1).ratio.value == pytest.approx(2)
    assert found.bar("torch", "original", 1).ratio == Number(1.0, "ratio", "exact")
    assert len(found.bars()) == 8
    assert ["load 5.0" in said for said in found.warnings] == [True]


def test_a_missing_rival_is_said_not_guessed() -> None:
    clock = Turned()
    only = [clock.runnable("onnxruntime", "compressed", 1.0)]
    found = result_of(latency({1: only}, torch.ones(1, 2), clock.watch, effort=THREE, processes=2))
    assert found.bars()[0].ratio.reason == "The original was not measured in this runtime."


def test_batches_of_more_items_than_there_are_repeat_them() -> None:
    clock, seen = Turned(), []
    runnable = Runnable(runtime_named("torch"), "original", lambda batch: seen.append(batch.shape) or batch)
    both = {1: [runnable], 8: [runnable]}
    result_of(latency(both, torch.ones(3, 2), clock.watch, effort=THREE, processes=2))
    assert set(seen) == {(1, 2), (8, 2)}


def test_without_items_nothing_is_measured() -> None:
    with pytest.raises(Refused, match="no items to measure on"):
        result_of(latency({1: []}, torch.empty(0, 3), Turned().watch))


@pytest.fixture(scope="module")
def lenet() -> tuple[nn.Module, nn.Module, Tensor]:
    """Original, compressed, and evaluated outputs of the compressed on 200 items."""
    subject = loaded_sample("lenet300")
    recipe = rules(any=Step.of("magnitude", sparsity=0.9))
    network = compress(subject, recipe, Store()).network()
    with torch.inference_mode():
        evaluated = network(subject.split("validation").inputs[:200])
    return subject.network, network, evaluated


def ready(runtime: str, network: nn.Module) -> Runnable:
    model = Model.original(loaded_sample("lenet300"))
    return runtime_named(runtime).ready(TimedModel("compressed", model, network, Store()))


def test_bfloat16_is_other_numbers_and_leaves_the_network_in_float32(
    lenet: tuple[nn.Module, nn.Module, Tensor],
) -> None:
    _, network, evaluated = lenet
    split = loaded_sample("lenet300").split("validation")
    found = parity_of(ready("torch_bf16", network), evaluated, split)
    assert 1e-4 < found.difference.value < 1
    assert found.same_class.value > 0.9
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    with torch.inference_mode():
        assert torch.equal(network(split.inputs[:200]), evaluated)


def test_torch_agrees_with_itself(lenet: tuple[nn.Module, nn.Module, Tensor]) -> None:
    _, network, evaluated = lenet
    split = loaded_sample("lenet300").split("validation")
    assert parity_of(ready("torch", network), evaluated, split).difference.value < 1e-5


def test_outputs_that_are_not_finite_have_no_largest_difference() -> None:
    split = loaded_sample("lenet300").split("validation")
    broken = Runnable(
        runtime_named("torch"), "original", lambda batch: torch.full((len(batch), 10), torch.nan)
    )
    found = parity_of(broken, torch.zeros(20, 10), split)
    assert found.difference.reason == "Some outputs are not finite."


def turned_by_its_own_load(load: float = 0.0) -> Watch:
    """A clock that ticks a thousandth of a second whenever somebody looks."""
    ticks = iter(range(10**9))
    return Watch(lambda: next(ticks) / 1000, lambda: next(ticks) / 1000, lambda: load, 2)


@pytest.mark.slow
def test_a_job_measures_every_runtime_and_comes_back_from_its_file() -> None:
    steps = (Step.of("magnitude", sparsity=0.9), Step.of("uniform", bits=4))
    model = compress(loaded_sample("tabular"), rules(fc1=steps), Store())
    knobs = LatencyKnobs(batches=(1, 3), rounds=5, seconds=0, processes=3)
    watch = turned_by_its_own_load(load=9.0)
    shares, work = [], run(model, knobs, 0, Store(), watch, in_this_process)
    while True:
        try:
            shares.append(next(work).share)
        except StopIteration as end:
            found = end.value
            break
    assert shares == sorted(shares)
    assert max(shares) <= 1
    sides = [(bar.runtime.name, bar.whose, bar.batch) for bar, _ in found.bars]
    assert sides[:8] == [
        ("torch", "original", 1),
        ("torch", "compressed", 1),
        ("torch_variants", "compressed", 1),
        ("torch_bf16", "original", 1),
        ("torch_bf16", "compressed", 1),
        ("onnxruntime", "original", 1),
        ("onnxruntime", "compressed", 1),
        ("onnxruntime_int8", "compressed", 1),
    ]
    assert found.not_run == ()
    assert all(a.same_class.low < a.same_class.value for a in found.parities)
    differences = {a.name: a.difference.value for a in found.parities}
    assert differences["onnxruntime:compressed"] < 1e-4
    assert differences["onnxruntime_int8:compressed"] < 1e-4, "the codes are those that were evaluated"
    assert [table.batch for table in found.tables] == [1, 3]
    again = LATENCY.result(LATENCY.pack(found).as_bytes())
    assert again.bars == found.bars
    assert again.tables == found.tables
    assert again.parities == found.parities
    assert again.latency.warnings == found.latency.warnings
    assert len(set(found.latency.warnings)) == len(found.latency.warnings)
    first = again.latency.warnings[0]
    assert isinstance(first, Phrase)
    assert first.values["load"] == 9.0


def test_a_model_as_loaded_has_no_forms_and_no_compressed_bar() -> None:
    knobs = LatencyKnobs(batches=(2,), rounds=5, seconds=0, onnx=False, processes=3)
    model = Model.original(loaded_sample("tabular"))
    found = result_of(run(model, knobs, 0, Store(), turned_by_its_own_load(), in_this_process))
    assert {bar.whose for bar, _ in found.bars} == {"original"}
    assert found.tables == ()
    assert [parity_of.name for parity_of in found.parities] == ["torch_bf16:original"]


def test_a_runtime_that_does_not_take_the_model_is_left_out_with_the_reason() -> None:
    class Float32Only(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x) @ torch.eye(3)

    model = Model.original(tiny_subject(Float32Only(), (4,)))
    knobs = LatencyKnobs(batches=(1,), rounds=5, seconds=0, onnx=False, processes=3)
    found = result_of(run(model, knobs, 0, Store(), turned_by_its_own_load(), in_this_process))
    assert [(runtime.name, "dtype" in str(why)) for runtime, why in found.not_run] == [("torch_bf16", True)]
    assert {bar.runtime.name for bar, _ in found.bars} == {"torch"}


@pytest.mark.slow
def test_weights_on_no_grid_have_no_int8_bar_and_it_is_said_what_to_do() -> None:
    model = compress(mlp_subject(), rules(fc1=Step.of("magnitude", sparsity=0.5)), Store())
    with pytest.raises(Refused, match="such as uniform"):
        runtime_named("onnxruntime_int8").ready(TimedModel("compressed", model, model.network(), Store()))


@pytest.mark.parametrize("batches", [(1, 1), (0,), (5000,)])
def test_batch_sizes_that_make_no_sense_are_refused(batches: tuple[int, ...]) -> None:
    model = Model.original(loaded_sample("tabular"))
    with pytest.raises(Refused, match="Batch sizes must be different numbers"):
        result_of(run(model, LatencyKnobs(batches=batches), 0, Store()))


def test_break_even_is_the_share_from_which_on_a_form_always_wins() -> None:
    slow, fast = (Number(r, "ratio", "measured", r - 0.1, r + 0.1) for r in (0.9, 2.0))
    row = BreakEven((4, 5), 1, KernelVariant.CSR, ((0.5, fast), (0.8, slow), (0.9, fast), (0.95, fast)))
    assert row.wins_from.value == 0.9
    never = BreakEven((4, 5), 1, KernelVariant.CSR, ((0.5, fast), (0.8, slow)))
    assert never.wins_from.reason == "It is not surely faster at 80%."


def test_break_even_is_measured_for_every_form_shape_and_batch() -> None:
    effort = Effort(2, 2, 0.0, 0.0)
    work = break_even_table(
        turned_by_its_own_load(), shapes=((6, 8),), batches=(1, 4), sparsities=(0.9, 0.5), effort=effort
    )
    rows = result_of(work)
    assert [(row.variant, row.batch) for row in rows[:4]] == [
        (KernelVariant.CSR, 1),
        (KernelVariant.CSR_SUMS, 1),
        (KernelVariant.GATHERED, 1),
        (KernelVariant.LOW_RANK, 1),
    ]
    assert len(rows) == 8
    assert {tuple(share for share, _ in row.ratios) for row in rows} == {(0.5, 0.9)}
