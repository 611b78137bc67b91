"""Every network of the zoo goes the whole way, cut, written and read back, or is refused with the reason."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from compress_core.apply.base import cutting_of
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.deliver.onnx_export import model_onnx
from compress_core.deliver.onnx_session import OnnxSession
from compress_core.deliver.packed_file import read_packed, write_packed
from compress_core.deliver.plain_container import read_container, write_container
from compress_core.deliver.python_source import CODE_FILE, WEIGHTS_FILE, model_source
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.behavior.evaluate import predict
from compress_core.network.forward import in_double
from compress_core.network.layers.places import write_matrix
from compress_core.recipe.reading import read_recipe
from compress_core.structure.shrink import preview
from tests.zoo import ZOO
from tests.zoo_subjects import ITEMS, subject_of

pytestmark = pytest.mark.slow

HALF = 'groups: [{match: "*", steps: [{technique: magnitude, share_removed: 0.5}]}]\n'
ROUNDED = """
layers:
  - {match: "*", steps: [{technique: magnitude, sparsity: 0.5}, {technique: uniform, bits: 6}]}
"""
STORE = Store()

# The exporter takes seconds, so it meets each kind of structure once: a shortcut, a join, groups, the way up,
# a scale, a group norm, volumes, channels dealt out, words and a tied weight, steps of time, heads of ours
# and of torch, two inputs.
IN_ONNX = (
    "residual",
    "concat",
    "grouped",
    "transposed",
    "squeeze_excite",
    "group_norm",
    "conv3d",
    "channel_shuffle",
    "tied",
    "gru",
    "transformer_encoder",
    "fused_qkv_by_width",
    "two_inputs",
)


@cache
def made(name: str) -> Model:
    """Half of every free group cut out, then every layer half pruned and in 6 bits."""
    text = HALF + ROUNDED if _channels(name) else ROUNDED
    return compress(subject_of(name), read_recipe(text), STORE)


def _channels(name: str) -> dict[str, int]:
    """The free groups from which some units can go."""
    return {group: units for group, units in ZOO[name].free.items() if units > 1}


@torch.no_grad()
def answers(network: nn.Module, name: str, items: int = ITEMS) -> Tensor:
    inputs = subject_of(name).split("validation").inputs[:items]
    return network(inputs.to(next(network.parameters()).dtype))


@pytest.mark.parametrize("name", [name for name in ZOO if ZOO[name].refused_bare])
def test_a_network_that_is_no_classifier_is_refused_as_it_stands(name: str) -> None:
    with pytest.raises(Refused) as refused:
        subject_from_network(ZOO[name].network(), None, name, ZOO[name].shapes[0][1:])
    assert ZOO[name].refused_bare in str(refused.value)


@pytest.mark.parametrize("name", [name for name in ZOO if not _channels(name)])
def test_a_network_from_which_nothing_can_go_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(Refused) as refused:
        compress(subject_of(name), read_recipe(HALF), STORE)
    group, reason = next(iter(ZOO[name].locked.items()))
    assert f"{group} is locked: " in str(refused.value)
    assert reason in str(refused.value)


@pytest.mark.parametrize("name", ZOO)
def test_no_layer_is_silently_left_as_it_was(name: str) -> None:
    model, subject = made(name), subject_of(name)
    assert [layer.name for layer in model.base.layers if layer.name not in model.compressed] == []
    for compressed in model.compressed.values():
        (encoded,) = compressed.encoded
        assert encoded.zeros.pruned == round(0.5 * encoded.weight.numel())
        assert len(encoded.values.unique()) <= 63 * len(encoded.values)
    assert not torch.equal(answers(model.network(), name), answers(subject.network, name))


@pytest.mark.parametrize("name", ZOO)
def test_every_weight_is_in_a_layer_or_left_alone_for_a_stated_reason(name: str) -> None:
    subject = subject_of(name)
    covered = {(place.module, place.parameter) for layer in subject.layers for place in layer.places}
    told = {left.name: left.reason for left in subject.untouched}
    for owner, module in subject.network.named_modules():
        for parameter, values in module.named_parameters(recurse=False):
            if values.squeeze().dim() > 1 and (owner, parameter) not in covered:
                assert any(f"{owner}.".startswith(f"{left}.") and why for left, why in told.items()), owner


@pytest.mark.parametrize("name", [name for name in ZOO if _channels(name)])
def test_every_free_group_really_lost_half_of_its_units(name: str) -> None:
    model, subject = made(name), subject_of(name)
    found = cutting_of(subject, model.recipe, STORE)
    left = {group.removeprefix("network."): int(kept.count_nonzero()) for group, kept in found.kept.items()}
    assert left == {group: units - round(units / 2) for group, units in _channels(name).items()}
    assert sum(layer.weights for layer in model.base.layers) < sum(layer.weights for layer in subject.layers)


@pytest.mark.parametrize("name", ZOO)
def test_the_small_network_answers_what_the_masked_one_does_with_the_same_values(name: str) -> None:
    model, subject = made(name), subject_of(name)
    found = cutting_of(subject, model.recipe, STORE)
    masked = preview(in_double(subject.network), found.cuts, found.dropped)
    for layer in subject.layers:
        write_matrix(masked, layer, model.values(layer.name).double())
    difference = answers(in_double(model.network()), name) - answers(masked, name)
    assert difference.abs().max() < 1e-9


@pytest.mark.parametrize("name", ZOO)
def test_what_is_evaluated_is_what_the_network_answers_bit_for_bit(name: str) -> None:
    split, full = subject_of(name).split("validation"), answers(made(name).network(), name)
    if full.dim() != 2:
        with pytest.raises(Refused, match="must return one table of class scores"):
            predict(made(name), split, STORE)
    else:
        assert torch.equal(torch.from_numpy(predict(made(name), split, STORE).logits.copy()), full)


@pytest.mark.parametrize("name", ["residual", "transformer_encoder_layer"])
def test_a_block_goes_whole_and_the_files_remember_it(name: str, tmp_path: Path) -> None:
    text = 'groups: [{match: "*", steps: [{technique: drop_block}]}]\n' + ROUNDED
    model = compress(subject_of(name), read_recipe(text), STORE)
    assert len(model.base.structure.dropped) == 1
    assert_read_back(model, name, tmp_path)


@pytest.mark.parametrize("name", ZOO)
def test_both_files_are_read_back_to_the_same_bits(name: str, tmp_path: Path) -> None:
    assert_read_back(made(name), name, tmp_path)


def assert_read_back(model: Model, name: str, folder: Path) -> None:
    ways: tuple[tuple[Callable[..., int], Callable[..., nn.Module]], ...] = (
        (write_container, read_container),
        (write_packed, read_packed),
    )
    for write, read in ways:
        write(model, folder / write.__name__)
        again = read(folder / write.__name__, model.subject)
        for items in (1, ITEMS):
            assert torch.equal(answers(again, name, items), answers(model.network(), name, items))


# Runs every written folder where nothing of ours can be imported.
ELSEWHERE = """
import importlib.util, sys
from pathlib import Path


class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("compress_core", "dashboard", "tests"):
            raise ImportError(name)


sys.meta_path.insert(0, Nothing())
import torch
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)
torch.backends.mha.set_fastpath_enabled(False)
for folder in sorted(p for p in Path(sys.argv[1]).iterdir() if p.is_dir()):
    spec = importlib.util.spec_from_file_location("model", folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with torch.no_grad():
        answers = module.load()(load_file(folder / "items")["items"])
    save_file({"answers": answers.contiguous()}, folder / "answers")
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each network with its code, its weights, and what they answer in a process of its own."""
    folder = tmp_path_factory.mktemp("zoo")
    for name in ZOO:
        if not ZOO[name].refused_source:
            source = model_source(made(name))
            (folder / name).mkdir()
            (folder / name / CODE_FILE).write_text(source.code, encoding="utf-8")
            (folder / name / WEIGHTS_FILE).write_bytes(source.weights)
            save_file({"items": subject_of(name).split("validation").inputs}, folder / name / "items")
    run = [sys.executable, "-c", ELSEWHERE, str(folder)]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", ZOO)
def test_the_written_code_answers_the_same_without_us_or_is_refused(name: str, elsewhere: Path) -> None:
    if ZOO[name].refused_source:
        with pytest.raises(Refused, match=ZOO[name].refused_source):
            model_source(made(name))
        return
    theirs = load_file(elsewhere / name / "answers")["answers"]
    torch.testing.assert_close(theirs, answers(made(name).network(), name), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", IN_ONNX)
def test_the_onnx_file_answers_the_same_in_its_runtime(name: str) -> None:
    session, inputs = OnnxSession(model_onnx(made(name))), subject_of(name).split("validation").inputs
    theirs = torch.from_numpy(session(inputs.numpy()))
    torch.testing.assert_close(theirs, answers(made(name).network(), name), rtol=1e-4, atol=1e-4)
