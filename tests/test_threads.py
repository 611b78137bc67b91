"""Many people, one base model: nobody's edit reaches another, and no answer is wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import compare, evaluate, predict
from compress_core.network.shared_copy import digest_of
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from tests.subjects import everything_subject, loaded_sample

pytestmark = pytest.mark.slow

THREADS, EVALUATIONS = 8, 125


@pytest.fixture(scope="module")
def lenet300() -> tuple[Subject, Split]:
    subject = loaded_sample("lenet300")
    whole = subject.split("validation")
    return subject, Split("validation", whole.inputs[:40], whole.labels[:40])


def _recipe(thread: int, turn: int) -> Recipe:
    """Another recipe for each thread and turn; every fourth one is the same for all."""
    seed = turn if turn % 4 == 0 else 1000 * thread + turn
    layer = ("fc1", "fc2", "fc3", "fc[23]")[seed % 4]
    share = 0.1 + (seed % 89) / 100
    steps = (
        (Step.of("magnitude", sparsity=share),),
        (Step.of("magnitude", sparsity=share, scope="network"), Step.of("uniform", bits=2 + seed % 7)),
        (Step.of("low_rank", rank=1 + seed % 10),),
        (Step.of("uniform", bits=2 + seed % 7, granularity="per_tensor"),),
    )[(seed // 4) % 4]
    return Recipe((Rule(layer, steps),))


def test_a_thousand_evaluations_by_eight_threads_are_all_those_of_one(
    lenet300: tuple[Subject, Split],
) -> None:
    subject, split = lenet300

    def answers(thread: int, store: Store) -> list[NDArray[np.float32]]:
        torch.set_num_threads(1)
        models = (compress(subject, _recipe(thread, turn), store) for turn in range(EVALUATIONS))
        return [predict(model, split, store).logits for model in models]

    shared = Store(max_bytes=2**26)
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(lambda thread: answers(thread, shared), range(THREADS)))
    wrong = 0
    for thread in range(THREADS):
        alone = answers(thread, Store(max_bytes=2**26))
        wrong += sum(not np.array_equal(a, b) for a, b in zip(together[thread], alone, strict=True))
    assert sum(len(results) for results in together) == 1000
    assert wrong == 0
    assert digest_of(subject.network) == subject.digest
    assert not any(m._forward_hooks or "forward" in vars(m) for m in subject.network.modules())


def test_a_network_of_all_kinds_is_edited_by_eight_threads_without_harm() -> None:
    subject, store = everything_subject(), Store()
    names = list(subject.by_name)

    def answers(thread: int) -> list[NDArray[np.float32]]:
        recipes = [Recipe((Rule(name, (Step.of("uniform", bits=2 + thread % 7),)),)) for name in names]
        split = subject.split("validation")
        return [predict(compress(subject, recipe, store), split, store).logits for recipe in recipes]

    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(answers, range(THREADS)))
    store = Store()
    assert all(
        np.array_equal(a, b)
        for thread in range(7)
        for a, b in zip(together[thread], answers(thread), strict=True)
    )
    assert digest_of(subject.network) == subject.digest


def test_a_prediction_equals_a_full_forward_of_the_network_that_ships(
    lenet300: tuple[Subject, Split],
) -> None:
    subject, split = lenet300
    store = Store()
    for turn in range(8):
        model = compress(subject, _recipe(0, turn), store)
        with torch.inference_mode():
            full = torch.cat([model.network()(batch) for batch in split.batches()])
        assert np.array_equal(predict(model, split, store).logits, full.numpy())


def test_the_original_against_itself_changes_nothing(lenet300: tuple[Subject, Split]) -> None:
    subject, split = lenet300
    store = Store()
    same = compress(subject, Recipe((Rule("fc1", (Step.of("magnitude", sparsity=0.0),)),)), store)
    numbers = evaluate(same, split, store)
    assert (numbers["churn"].value, numbers["kl"].value) == (0.0, 0.0)
    both = compare(same, split, store)
    assert np.array_equal(both.before.logits, both.after.logits)
    assert isinstance(subject.network, nn.Module)
