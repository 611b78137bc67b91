"""A training changes what may learn, holds what is held, and comes to the same end however it got there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.lineage import Train, lineage_as_json, read_lineage, recipe_of, with_recipe
from compress_core.apply.model import Model
from compress_core.apply.run import compress, key_of, model_of
from compress_core.apply.trained import TrainedWeights, keep_trained, trained_model
from compress_core.deliver.packed_file import read_packed, write_packed
from compress_core.deliver.plain_container import read_container, write_container
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress, result_of
from compress_core.foundation.store import Store
from compress_core.foundation.stored_value import from_bytes, to_bytes
from compress_core.measure.behavior.evaluate import evaluate
from compress_core.recipe.reading import parse_recipe
from compress_core.subject.input_form import InputForm
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject, make_subject
from compress_core.subject.training_items import TrainingItems
from compress_core.training.checkpoint import Checkpoint
from compress_core.training.loop import EpochDone, Trained, train
from compress_core.training.plan import parse_plan
from compress_core.training.training_run import TrainingRun
from tests.training_cases import STORE, compressed, run_of, table, trained

MAGNITUDE = {"technique": "magnitude", "sparsity": 0.7}
HELD: Mapping[str, tuple[dict[str, Any], ...]] = {
    "pruned": (MAGNITUDE,),
    "pruned and a grid": (MAGNITUDE, {"technique": "uniform", "bits": 3}),
    "a grid per group": ({"technique": "uniform", "bits": 4, "granularity": "per_group:16"},),
    "a codebook": (MAGNITUDE, {"technique": "kmeans", "bits": 3}),
    "powers of two": (MAGNITUDE, {"technique": "power_of_two", "bits": 4}),
    "factored and pruned": (
        {"technique": "low_rank", "rank": 2},
        {"technique": "magnitude", "sparsity": 0.3},
    ),
}


def own_subject(network: nn.Module, shape: tuple[int, ...]) -> Subject:
    """A network of somebody's own with 64 random items of three classes, to learn by heart."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(64, *shape, generator=generator)
    labels = torch.randint(3, (64,), generator=generator)
    splits = {"validation": Split("validation", inputs, labels)}
    subject = make_subject("own", "own", network, InputForm("table", shape), ("a", "b", "c"), splits)
    return replace(subject, training=TrainingItems.of(Split("training", inputs, labels)))


def after(model: Model, found: Trained) -> Model:
    return trained_model(model, run_of(model, epochs=1).operation, found.weights, "key")


def all_tensors(weights: TrainedWeights) -> dict[str, Tensor]:
    parts = {f"{n} {i}": e.values for n, part in weights.layers.items() for i, e in enumerate(part)}
    return parts | dict(weights.rest)


def assert_equal(one: TrainedWeights, other: TrainedWeights) -> None:
    first, second = all_tensors(one), all_tensors(other)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


@pytest.mark.parametrize("steps", HELD.values(), ids=HELD)
def test_masks_and_codes_are_held_while_what_may_learn_learns(steps: tuple[dict[str, Any], ...]) -> None:
    model = compressed(*steps)
    found = after(model, trained(model, learning_rate=0.01))
    for name, before in model.compressed.items():
        for old, new in zip(before.encoded, found.compressed[name].encoded, strict=True):
            assert old.mask is None or torch.equal(old.mask.tensor, new.mask.tensor)
            assert bool((new.values[old.values == 0] == 0).all())
            if old.quantized is not None:
                assert _same_partition(old.values, new.values)
    changed = found.network().state_dict()
    assert any(not torch.equal(t, changed[n]) for n, t in model.network().state_dict().items())


def _same_partition(old: Tensor, new: Tensor) -> bool:
    """Whether weights of one row that were equal still are."""
    rows = zip(old, new, strict=True)
    return all(len(torch.unique(torch.stack([a, b]), dim=1).T) <= len(torch.unique(a)) for a, b in rows)


@pytest.mark.parametrize("steps", HELD.values(), ids=HELD)
def test_the_files_of_a_trained_model_answer_as_it_was_evaluated(
    steps: tuple[dict[str, Any], ...], tmp_path: Path
) -> None:
    model = compressed(*steps)
    found = after(model, trained(model))
    inputs = model.subject.split("test").inputs
    write_container(found, tmp_path / "plain.safetensors")
    write_packed(found, tmp_path / "small.slim")
    with torch.inference_mode():
        answers = found.network()(inputs)
        for read in (
            read_container(tmp_path / "plain.safetensors", model.subject),
            read_packed(tmp_path / "small.slim", model.subject),
        ):
            assert torch.equal(read.eval()(inputs), answers)
    assert (tmp_path / "plain.safetensors").stat().st_size == found.file_bytes == model.file_bytes


def test_trained_weights_come_back_from_a_file() -> None:
    weights = trained(compressed(*HELD["a codebook"])).weights
    assert_equal(from_bytes(to_bytes(weights)), weights)


def test_the_same_training_gives_the_same_bits() -> None:
    model = compressed(MAGNITUDE)
    assert_equal(trained(model, epochs=2).weights, trained(model, epochs=2).weights)


def test_another_seed_gives_other_weights() -> None:
    model = compressed(MAGNITUDE)
    one, other = (all_tensors(trained(model, seed=seed).weights) for seed in (0, 1))
    assert any(not torch.equal(one[name], other[name]) for name in one)


def epochs_of(run: TrainingRun, resumed: Checkpoint | None = None) -> tuple[list[Checkpoint], Trained]:
    """Every checkpoint on the way, as it comes back from a file, and the end."""
    kept, work = [], train(run, STORE, resumed)
    while True:
        try:
            progress: Progress = next(work)
        except StopIteration as end:
            return kept, end.value
        if isinstance(progress, EpochDone) and progress.checkpoint is not None:
            kept.append(from_bytes(to_bytes(progress.checkpoint)))


@pytest.mark.parametrize("steps", [HELD["pruned"], HELD["a codebook"]], ids=["pruned", "a codebook"])
def test_a_training_that_was_interrupted_comes_to_the_same_end(steps: tuple[dict[str, Any], ...]) -> None:
    run = run_of(compressed(*steps), epochs=3, batch_size=32, methods=["distill"])
    kept, whole = epochs_of(run)
    for checkpoint in kept[:-1]:
        _, resumed = epochs_of(run, checkpoint)
        assert_equal(resumed.weights, whole.weights)
        assert resumed.history == whole.history


def test_the_epoch_with_the_best_accuracy_is_given_and_of_equal_ones_the_first() -> None:
    found = trained(compressed(MAGNITUDE), epochs=4)
    accuracies = [figures.score.value for figures in found.history]
    assert found.epoch == 1 + accuracies.index(max(accuracies))


def test_the_accuracy_of_an_epoch_is_that_of_the_model_that_is_kept() -> None:
    model = compressed(MAGNITUDE)
    found = trained(model, epochs=2)
    measured = evaluate(after(model, found), model.subject.split("validation"), Store())["accuracy"]
    said = found.history[found.epoch - 1].score
    assert (said.value, said.low, said.high, said.n) == (
        measured.value,
        measured.low,
        measured.high,
        measured.n,
    )


def test_a_loss_that_is_not_finite_ends_a_training_with_the_reason() -> None:
    run = run_of(compressed(MAGNITUDE), epochs=2, batch_size=32)
    huge = Split("training", torch.full_like(run.items.inputs, 3e38), run.items.labels)
    with pytest.raises(Refused, match="not finite in epoch 1"):
        result_of(train(replace(run, items=huge), STORE))


def test_what_diverges_later_leaves_the_best_epoch() -> None:
    run = run_of(compressed(MAGNITUDE), epochs=3, batch_size=32)
    kept, _ = epochs_of(run)
    broken = replace(
        kept[0], learned={n: {k: t * torch.inf for k, t in of.items()} for n, of in kept[0].learned.items()}
    )
    _, found = epochs_of(run, broken)
    assert found.ended is not None
    assert found.epoch == 1
    assert_equal(found.weights, kept[0].best)


def test_items_without_labels_are_refused() -> None:
    run = run_of(compressed(MAGNITUDE), epochs=1)
    with pytest.raises(Refused, match="have no labels"):
        next(train(replace(run, items=Split("training", run.items.inputs, None)), STORE))


def test_a_model_without_training_items_says_what_it_needs() -> None:
    with pytest.raises(Refused, match=r"add an \.npz file"):
        replace(table(), training=None).split("training")


def test_a_trained_model_is_found_by_its_history_and_asked_for_where_it_went() -> None:
    model, store = compressed(MAGNITUDE), Store()
    run = run_of(model, epochs=1, batch_size=32)
    lineage = (*model.lineage, run.operation)
    with pytest.raises(Refused, match="train once more"):
        model_of(model.subject, lineage, store)
    found = trained(model)
    keep_trained(key_of(model.subject, lineage), found.weights, store)
    made = model_of(model.subject, lineage, store)
    assert made.key == key_of(model.subject, lineage)
    assert_equal(TrainedWeights({n: c.encoded for n, c in made.compressed.items()}, made.rest), found.weights)


def test_a_history_with_a_training_comes_back_from_its_plain_values() -> None:
    model = compressed(MAGNITUDE)
    lineage = (*model.lineage, run_of(model, epochs=3, methods=["distill"]).operation)
    assert read_lineage(lineage_as_json(lineage)) == lineage
    assert recipe_of(lineage) == model.recipe
    assert with_recipe(lineage, model.recipe) == model.lineage


@pytest.mark.parametrize(
    "change",
    [{"epochs": 0}, {"epochs": True}, {"epochs": "3"}, {"plan": "x"}, {"items": 3}, {"more": 1}],
    ids=str,
)
def test_a_damaged_history_of_a_training_is_refused(change: dict[str, Any]) -> None:
    said = {**Train("{}", "digest", 3).as_json(), **change}
    with pytest.raises(Refused, match="damaged"):
        read_lineage([said])


def test_a_default_that_is_written_out_changes_no_key() -> None:
    short = parse_plan({"epochs": 5, "methods": ["fine_tune"]})
    long = parse_plan({"epochs": 5, "seed": 0, "methods": [{"method": "fine_tune", "smoothing": 0.0}]})
    assert short.text == long.text == parse_plan({}).text


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"epochs": 0}, "greater than or equal to 1"),
        ({"speed": 3}, "no knob speed"),
        ({"methods": ["distil"]}, "did you mean distill"),
        ({"methods": ["distill", "fine_tune"]}, "leave one of them out"),
        ({"methods": [{"method": "distill", "temperature": "hot"}]}, "temperature"),
        ({"methods": [{"temperature": 3}]}, "name under method"),
        ({"methods": "distill"}, "a list of at most"),
        ([], "a mapping"),
    ],
)
def test_a_plan_that_makes_no_sense_says_what_to_change(plan: object, said: str) -> None:
    with pytest.raises(Refused, match=said):
        parse_plan(plan)


def test_one_parameter_under_two_names_stays_one() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shared = nn.Parameter(torch.ones(4))
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 3)
            self.norm = nn.LayerNorm(4)
            self.norm.weight = self.shared

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.norm(self.first(x)) * self.shared)

    subject = own_subject(Two(), (4,))
    model = Model.original(subject)
    found = trained(model, epochs=1, learning_rate=0.05)
    network = after(model, found).network()
    assert torch.equal(network.shared, network.norm.weight), "one parameter under two names stays one"
    assert not torch.equal(network.shared, subject.network.shared)


def test_the_loaded_network_and_its_statistics_stay_as_they_are() -> None:
    subject: Subject = table()
    before = {name: tensor.clone() for name, tensor in subject.network.state_dict().items()}
    trained(compressed(MAGNITUDE), learning_rate=0.01)
    assert all(torch.equal(t, before[n]) for n, t in subject.network.state_dict().items())


@pytest.mark.parametrize(
    "steps",
    [(MAGNITUDE,), ({"technique": "low_rank", "rank": 6}, {"technique": "uniform", "bits": 6})],
    ids=["pruned", "factored"],
)
def test_projections_of_attention_learn_with_their_biases(steps: tuple[dict[str, Any], ...]) -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
            self.head = nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.encoder(x).mean(1))

    subject = own_subject(Reader(), (5, 16))
    rule = {"match": "*k_proj", "steps": list(steps)}
    model = compress(subject, parse_recipe({"layers": [rule]}), STORE)
    found = after(model, trained(model, learning_rate=0.01))
    assert "encoder.self_attn.in_proj_bias" in found.rest
    inputs = subject.split("validation").inputs
    again = trained_model(
        model, run_of(model).operation, from_bytes(to_bytes(trained(model, learning_rate=0.01).weights)), "k"
    )
    with torch.inference_mode():
        assert torch.equal(found.network()(inputs), again.network()(inputs))
    losses = [figures.loss for figures in trained(model, epochs=3, learning_rate=0.003).history]
    assert losses[-1] < losses[0]


class Dropping(nn.Module):
    """A layer behind dropout, which draws at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.drop, self.head = nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.first(x).relu()))


def test_what_dropout_draws_follows_from_the_seed_alone() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        subject = own_subject(Dropping(), (4,))
    alike = Split("training", torch.ones(64, 4), torch.ones(64, dtype=torch.long))  # the order says nothing
    model = compressed(subject=replace(subject, training=TrainingItems.of(alike)))
    one, other = (trained(model, batch_size=16, seed=seed) for seed in (0, 1))
    with torch.random.fork_rng():
        torch.manual_seed(99)
        assert_equal(one.weights, trained(model, batch_size=16).weights)
    drawn = [found.weights.layers["first"][0].values for found in (one, other)]
    assert not torch.allclose(*drawn, atol=1e-5)
