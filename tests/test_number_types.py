"""Complex numbers, 16 and 64 bits, whole numbers: kept or said to be changed, and counted as they came."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core import load
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.deliver.packed_file import pack_bytes, read_packed, write_packed
from compress_core.deliver.plain_container import container_bytes, read_container, write_container
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.jobs.bundle import bundle_of, read_bundle
from compress_core.loading.items import Items
from compress_core.loading.user_model import subject_from_network
from compress_core.loading.weights_subject import user_subject
from compress_core.measure.behavior.evaluate import predict
from compress_core.measure.cost.cost import count_layers
from compress_core.measure.cost.sizes import counted_sizes
from compress_core.recipe.reading import read_recipe
from compress_core.subject.subject import Subject

ITEMS = torch.randn(40, 16, generator=torch.Generator().manual_seed(1))


class Spectral(nn.Module):
    """A filter of complex numbers, a table of whole ones, a layer."""

    def __init__(self, kind: torch.dtype = torch.complex64) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.register_buffer("filter", torch.randn(1, 9, dtype=kind))
        self.register_buffer("order", torch.arange(15, -1, -1))
        self.register_buffer("used", torch.tensor([True, False] * 8))
        self.fc = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        turned = x[:, self.order] * self.used
        return self.fc(torch.fft.irfft(torch.fft.rfft(turned) * self.filter, n=16))


class Plain(nn.Module):
    """Two layers and a norm, with values of its own everywhere."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.bn, self.b = nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Linear(8, 4)
        with torch.no_grad():
            for tensor in (*self.parameters(), self.bn.running_mean, self.bn.running_var):
                tensor.copy_(torch.rand(tensor.shape) + 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(F.relu(self.bn(self.a(x))))


def _loaded(network: nn.Module) -> Subject:
    return subject_from_network(network, Items(ITEMS.numpy(), None), "mine")


@pytest.mark.parametrize("kind", [torch.complex64, torch.complex128])
@torch.no_grad()
def test_a_complex_buffer_keeps_its_imaginary_part(kind: torch.dtype, tmp_path: Path) -> None:
    network, same = Spectral(kind).eval(), Spectral().eval()
    same.load_state_dict(network.state_dict())
    want = same(ITEMS)
    subject, store = _loaded(network), Store()
    split = subject.split("validation")
    answers = torch.from_numpy(predict(Model.original(subject), split, store).logits.copy())
    torch.testing.assert_close(answers, want)
    model = compress(subject, read_recipe("layers: [{match: fc, steps: [uniform]}]"), store)
    for write, read in ((write_container, read_container), (write_packed, read_packed)):
        assert write(model, tmp_path / "file") == len((tmp_path / "file").read_bytes())
        assert torch.equal(read(tmp_path / "file", subject)(ITEMS), model.network()(ITEMS))
    assert model.file_bytes == len(container_bytes(model))
    state = subject.network.state_dict()
    assert [state[n].dtype for n in ("filter", "order", "used")] == [torch.complex64, torch.int64, torch.bool]


def test_64_bits_are_said_to_be_rounded() -> None:
    (said,) = _loaded(Plain().double()).warnings
    assert said.startswith(
        "8 tensors came in float64, the first of them a.weight: they are rounded to float32"
    )
    assert "filter" in _loaded(Spectral(torch.complex128)).warnings[0]


class Phases(nn.Module):
    """A layer whose weight is complex, behind one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.turn = nn.Linear(16, 8), nn.Linear(8, 4, dtype=torch.complex64)

    def forward(self, x: Tensor) -> Tensor:
        return self.turn(self.fc(x).to(torch.complex64)).abs()


class Codes(nn.Linear):
    """A layer whose weight is whole numbers."""

    def __init__(self) -> None:
        super().__init__(16, 4)
        self.weight = nn.Parameter(torch.randint(-9, 9, (4, 16), dtype=torch.int8), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.float(), self.bias)


@pytest.mark.parametrize(
    ("make", "layer", "kind"),
    [(Phases, "turn", "complex64"), (lambda: nn.Sequential(Codes()), "0", "int8")],
)
def test_a_weight_that_is_no_real_number_is_left_alone_by_name(
    make: Callable[[], nn.Module], layer: str, kind: str
) -> None:
    subject = _loaded(make())
    assert {left.name: left.reason for left in subject.untouched}[layer] == (
        f"its weight is of type {kind}, and only real numbers are compressed"
    )
    with pytest.raises(Refused):
        compress(subject, read_recipe(f"layers: [{{match: '{layer}', steps: [magnitude]}}]"), Store())


def test_complex_answers_are_refused() -> None:
    class Turning(Phases):
        def forward(self, x: Tensor) -> Tensor:
            return self.turn(self.fc(x).to(torch.complex64))

    with pytest.raises(Refused, match="mine answers with complex numbers, of which none is the largest"):
        _loaded(Turning())


KINDS = (torch.float16, torch.bfloat16)
NUMBERS = sum(tensor.numel() for tensor in Plain().state_dict().values()) - 1


def _rows(model: Model) -> dict[str, float | None]:
    return {row.name: row.number.value for row in counted_sizes(model)}


@pytest.mark.parametrize("kind", KINDS)
def test_an_original_of_16_bits_counts_16_bits_everywhere(kind: torch.dtype) -> None:
    model = Model.original(_loaded(Plain().to(kind)))
    rows = _rows(model)
    assert rows["dense"] == rows["values"] == 2 * NUMBERS + 8  # and the norm's count of batches
    assert model.file_bytes == len(container_bytes(model)) < 2 * NUMBERS + 1200
    assert len(pack_bytes(model)) < 2 * NUMBERS + 400
    assert [row.bytes for row in count_layers(model)] == [2 * 128, 2 * 32]
    assert [row.bytes_before for row in count_layers(model)] == [2 * 128, 2 * 32]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_said_that_it_is_calculated_in_32_bits(kind: torch.dtype) -> None:
    (said,) = _loaded(Plain().to(kind)).warnings
    word = str(kind).removeprefix("torch.")
    assert said.startswith(
        f"8 tensors came in {word}, the first of them a.weight: they are calculated in float32"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_pruned_stays_in_16_bits_and_what_is_calculated_anew_does_not(
    kind: torch.dtype, tmp_path: Path
) -> None:
    subject, store = _loaded(Plain().to(kind)), Store()
    recipes = {
        "layers: [{match: a, steps: [{technique: magnitude, sparsity: 0.5}]}]": 16 + 2 * 64,
        "layers: [{match: a, steps: [{technique: low_rank, rank: 2}]}]": 4 * 2 * 24,
        "prepare: [fold_batch_norm]": 4 * 128,
    }
    for text, size in recipes.items():
        model = compress(subject, read_recipe(text), store)
        for write, read in ((write_container, read_container), (write_packed, read_packed)):
            write(model, tmp_path / "file")
            assert torch.equal(read(tmp_path / "file", subject)(ITEMS), model.network()(ITEMS))
        if model.compressed:
            assert model.compressed["a"].bits.total // 8 == size
        else:
            assert count_layers(model)[0].bytes == size


def test_a_state_dict_of_16_bits_counts_16_bits_and_a_job_sees_the_same() -> None:
    network = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
    subject = user_subject(network.half().state_dict(), Items(ITEMS.numpy(), None), name="mine")
    assert _rows(Model.original(subject))["dense"] == 2 * (17 * 8 + 9 * 4)
    again = read_bundle(bundle_of(subject))
    assert dict(again.came_as) == dict(subject.came_as)
    assert again.key == subject.key


def test_the_same_numbers_in_16_and_in_32_bits_are_two_models_to_the_store() -> None:
    half = Plain().half()
    wide = Plain()
    wide.load_state_dict({name: tensor.float() for name, tensor in half.state_dict().items()})
    one, other = _loaded(half), _loaded(wide)
    assert one.digest == other.digest
    assert one.key != other.key


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_16_bits_count_them_in_a_network_that_code_builds(
    kind: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file alone and the file for a factory, which builds in float32, are the same model."""
    (tmp_path / "built_here.py").write_text(
        "from torch import nn\n"
        "def build(): return nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))\n"
    )
    monkeypatch.chdir(tmp_path)
    network = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4)).to(kind)
    save_file(network.state_dict(), "half.safetensors")
    np.savez("items.npz", inputs=ITEMS.numpy())
    alone = load("half.safetensors", "items.npz")
    built = load("built_here:build", "items.npz", weights="half.safetensors")
    assert dict(built.came_as) == dict(alone.came_as)
    assert built.warnings == alone.warnings
    first, second = (_rows(Model.original(subject)) for subject in (alone, built))
    assert {first[name] for name in ("dense", "values")} == {2 * (17 * 8 + 9 * 4)}
    assert {second[name] for name in ("dense", "values")} == {2 * (17 * 8 + 9 * 4)}
    for subject in (alone, built):
        assert read_bundle(bundle_of(subject)).key == subject.key
