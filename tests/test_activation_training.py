"""A penalty on what layers read: it is the mean of their inputs, noted only where a method asks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from compress_core.training import loop
from compress_core.training.methods.activation_l1 import mean_inputs
from tests.test_training import epochs_of, own_subject
from tests.training_cases import compressed, run_of, trained

STRONG = {"method": "activation_l1", "strength": 10}


class Reader(nn.Module):
    """Attention, whose projections are parts of one parameter, and a layer that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.twice, self.head = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.twice(self.encoder(x)).relu()
        return self.head(self.twice(hidden).relu().mean(1))


def test_the_penalty_is_the_mean_size_of_each_layers_input_without_the_items() -> None:
    items, made = torch.full((2, 3), 9.0), torch.tensor([[1.0, -2.0], [0.0, 1.0]], requires_grad=True)
    again = torch.tensor([[4.0]], requires_grad=True)
    given = {"first": (items,), "second": (made,), "third": (made, again)}
    assert mean_inputs(given, strength=0.5).item() == pytest.approx(0.5 * (4 / 4 + 8 / 5))
    assert mean_inputs({"first": (items,)}, strength=0.5).item() == 0


@pytest.mark.slow
def test_what_layers_read_becomes_sparser_and_each_epoch_says_how_sparse() -> None:
    plain, found = (
        trained(compressed(), epochs=4, learning_rate=0.01, methods=[{**STRONG, "strength": strength}])
        for strength in (0, 10)
    )
    assert list(found.history[-1].zero_inputs) == ["fc1", "fc2", "fc3"]
    for layer in ("fc2", "fc3"):
        assert found.history[-1].zero_inputs[layer] > plain.history[-1].zero_inputs[layer] + 0.05
    assert found.history[0].zero_inputs["fc1"] == 0
    assert found.history[-1].as_json()["zero_inputs"] == found.history[-1].zero_inputs


@pytest.mark.slow
def test_inputs_are_noted_of_layers_that_match_names_and_of_none_without_a_method_that_asks() -> None:
    only = trained(compressed(), methods=[{**STRONG, "match": "fc3"}])
    assert list(only.history[0].zero_inputs) == ["fc3"]
    assert "zero_inputs" not in trained(compressed()).history[0].as_json()


def test_each_method_that_asks_hears_its_own_layers_alone() -> None:
    one = trained(compressed(), methods=[{**STRONG, "match": "fc2"}])
    silent = {"method": "activation_l1", "strength": 0, "match": "fc3"}
    both = trained(compressed(), methods=[{**STRONG, "match": "fc2"}, silent])
    for name, (weight,) in one.weights.layers.items():
        assert torch.equal(weight.values, both.weights.layers[name][0].values)


def test_listening_with_no_weight_on_it_changes_no_bit_of_a_training() -> None:
    plain, heard = trained(compressed()), trained(compressed(), methods=[{**STRONG, "strength": 0}])
    for name, (weight,) in plain.weights.layers.items():
        assert torch.equal(weight.values, heard.weights.layers[name][0].values)


def test_projections_of_attention_are_heard_and_a_layer_that_runs_twice_both_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[dict[str, int]] = []

    def watched(plan: object, trainee: loop.Trainee, *rest: object) -> None:
        seen.append({name: len(given) for name, given in trainee.heard.inputs.items()})
        original(plan, trainee, *rest)

    original = loop.before_step
    monkeypatch.setattr(loop, "before_step", watched)
    run = run_of(compressed(subject=own_subject(Reader(), (5, 8))), epochs=2, batch_size=32, methods=[STRONG])
    kept, found = epochs_of(run)
    assert seen[0]["twice"] == 2
    assert seen[0]["encoder.self_attn.q_proj"] == 1
    assert seen == [seen[0]] * 4, "each pass is noted alone"
    _, resumed = epochs_of(run, kept[0])
    assert resumed.history == found.history
