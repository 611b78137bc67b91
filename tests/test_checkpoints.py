"""Checkpoints of trainings: weights are found, what stands beside them is never built, and all is said."""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import compress_core
from compress_core.cli import app
from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.uploads import CARD
from compress_core.jobs.bundle import bundle_of, read_bundle
from compress_core.loading.items import Items
from compress_core.loading.named import named_subject
from compress_core.loading.own_training import with_training
from compress_core.loading.state_names import StateDict, named_as, without_wrappers
from compress_core.loading.upload import read_state
from compress_core.loading.user_model import with_items
from compress_core.loading.weights_place import state_in
from compress_core.subject.reading_remarks import ReadingRemarks
from tests.hostile_weights import Runs

STATE = {"0.weight": torch.arange(12.0).view(3, 4), "0.bias": torch.ones(3)}
AVERAGE = {name: tensor + 100 for name, tensor in STATE.items()}
FACTORY = """
from torch import nn

def build():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))

class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = build()

    def forward(self, items):
        return self.model(items)
"""


def saved(content: object, protocol: int = 2) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, pickle_protocol=protocol)
    return buffer.getvalue()


def read(content: object, entry: str | None = None, protocol: int = 2) -> StateDict:
    return read_state(saved(content, protocol), "m.ckpt", entry=entry)


def assert_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def said(state: StateDict) -> str:
    return " ".join((*state.remarks.summary, *state.remarks.warnings))


class Options(dict):  # type: ignore[type-arg]
    """A dict of its own kind, as OmegaConf and Lightning have them."""

    def __init__(self) -> None:
        super().__init__(lr=0.1)
        self.flags = {"frozen"}


def trained() -> tuple[nn.Module, dict[str, Any]]:
    """A network and the state of an optimizer after a step."""
    network = nn.Linear(4, 3)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    return network, optimizer.state_dict()


BESIDE = {
    "argparse.Namespace": argparse.Namespace(lr=0.1, sizes=[1, 2]),
    "numpy": np.float64(0.5),
    "numpy array": np.random.default_rng(0).bit_generator.state,
    "tests.test_checkpoints.Options": Options(),
    "collections.deque": collections.deque([1, 2], 3),
    "collections.defaultdict": collections.defaultdict(list, a=[1]),
    "datetime.date": dt.date(2020, 1, 1),
    "torch.ComplexFloatStorage": torch.zeros(2, dtype=torch.complex64),
    "pathlib": Path("runs") / "one",
}


# What is taken


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("beside", BESIDE)
def test_objects_of_others_beside_the_weights_are_skipped_and_named(beside: str, protocol: int) -> None:
    found = read({"epoch": 3, "args": BESIDE[beside], "state_dict": STATE}, protocol=protocol)
    assert_same(found.tensors, STATE)
    assert "What stands beside them was not read: epoch, args." in said(found)
    if beside.partition(" ")[0] != "numpy":
        assert beside in said(found)
        assert "were skipped: nothing of them was built or run" in said(found)


@pytest.mark.parametrize("protocol", [2, 4])
def test_what_would_run_beside_the_weights_does_not(
    protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "ran"
    found = read({"hook": Runs(exec, f"open({str(trap)!r}, 'w')"), "model": STATE}, protocol=protocol)
    assert_same(found.tensors, STATE)
    assert "exec were skipped: nothing of them was built or run" in said(found)
    assert not trap.exists()


def test_the_weights_of_a_lightning_checkpoint_are_taken() -> None:
    network, optimizer = trained()
    checkpoint = {
        "epoch": 1,
        "global_step": 7,
        "pytorch-lightning_version": "2.5",
        "state_dict": {f"model.{name}": tensor for name, tensor in network.state_dict().items()},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.5)}},
        "optimizer_states": [optimizer],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": Options(),
    }
    found = read(checkpoint)
    assert_same(found.tensors, checkpoint["state_dict"])  # type: ignore[arg-type]
    assert found.remarks.warnings == ()


def test_an_optimizer_is_never_taken_for_the_weights() -> None:
    network, optimizer = trained()
    by_name = {"state": {"0.weight": {"exp_avg": torch.ones(3), "weight": torch.ones(3)}}}
    for beside in (optimizer, by_name):
        found = read({"optimizer": beside, "net": network.state_dict()})
        assert_same(found.tensors, network.state_dict())
        assert found.remarks.warnings == ()


@pytest.mark.parametrize("average", ["ema", "model_ema", "ema_state_dict", "state_dict_ema"])
@pytest.mark.parametrize("plain", ["model", "state_dict", "network"])
def test_of_weights_and_their_average_the_weights_are_taken_and_it_is_said(plain: str, average: str) -> None:
    found = read({average: AVERAGE, plain: STATE})
    assert_same(found.tensors, STATE)
    (warning,) = found.remarks.warnings
    assert f"those of '{plain}' were taken, not those of '{average}'" in warning
    assert "--entry NAME" in warning


def test_another_entry_is_taken_where_it_is_asked_for_and_nothing_warns() -> None:
    checkpoint = {"model": STATE, "ema": {"decay": 0.9, "shadow": AVERAGE}, "epoch": 1}
    for name in ("ema.shadow", "shadow", "ema"):
        found = read(checkpoint, name)
        assert_same(found.tensors, AVERAGE)
        assert found.remarks.warnings == ()
        assert "stand under 'ema.shadow'" in said(found)


def test_an_entry_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(Refused, match=r"no weights under 'teacher'; it holds 'model', 'ema'"):
        read({"model": STATE, "ema": AVERAGE}, "teacher")
    with pytest.raises(Refused, match="one state dict without a name"):
        read(STATE, "ema")
    with pytest.raises(Refused, match=r"holds one state dict without entries.*leave the entry out"):
        read_state(safetensors.torch.save(STATE), "m.safetensors", entry="ema")


def test_state_dicts_between_which_nothing_decides_are_refused_by_name() -> None:
    networks = {"generator": STATE, "discriminator": AVERAGE}
    with pytest.raises(Refused, match=r"'generator', 'discriminator', and nothing says which.*--entry NAME"):
        read(networks)
    assert_same(read(networks, "discriminator").tensors, AVERAGE)
    assert_same(read({"encoder": STATE, "epoch": 1}).tensors, STATE)


def test_a_state_dict_that_lies_deeper_is_found() -> None:
    assert_same(read({"state": {"model": {"state_dict": STATE, "config": {}}}}).tensors, STATE)


def test_random_numbers_beside_the_weights_do_not_matter() -> None:
    found = read({"rng": torch.get_rng_state(), "rngs": {"torch": torch.get_rng_state()}, "model": STATE})
    assert_same(found.tensors, STATE)


# What is refused: anything else among the weights


@pytest.mark.parametrize("beside", ["argparse.Namespace", "numpy", "collections.deque"])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "ema"])
def test_objects_of_others_among_the_weights_are_refused(beside: str, wrapper: str | None) -> None:
    state = {**STATE, "x": BESIDE[beside]}
    with pytest.raises(Refused, match=f"needs '{beside}.*nothing was run"):
        read(state if wrapper is None else {wrapper: state, "epoch": 1})


def test_a_number_among_the_weights_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="entry 'epoch' of the file is no tensor"):
        read({**STATE, "epoch": 3})
    with pytest.raises(Refused, match="entry 'epoch' of the file is no tensor"):
        read({"model": {**STATE, "epoch": 3}})


def test_a_whole_module_under_a_usual_name_is_refused_with_what_to_do() -> None:
    with pytest.raises(Refused, match=r"needs 'torch\.nn.*slimscope open package\.module:function"):
        read({"model": nn.Linear(2, 2), "epoch": 1})


def test_sparse_tensors_are_refused_among_the_weights_and_skipped_beside_them() -> None:
    with pytest.raises(Refused, match="only plain dense tensors"):
        read({"model": {**STATE, "x": torch.eye(3).to_sparse()}})
    assert_same(read({"model": STATE, "x": torch.eye(3).to_sparse()}).tensors, STATE)


def test_keys_of_another_kind_are_no_trouble_beside_the_weights() -> None:
    assert_same(read({"model": STATE, "seen": {(1, 2): 3, None: 4, 2.5: 5}}).tensors, STATE)


def test_dicts_within_dicts_are_looked_at_once(tmp_path: Path) -> None:
    """A thousand names for one dict, three steps down, would be a thousand million looks."""
    shared: dict[str, Any] = {"lr": 1}
    for _ in range(3):
        shared = {f"n{i}": shared for i in range(1000)}
    assert_same(read({"tree": shared, "model": STATE}).tensors, STATE)


# Names


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_forward_module."])
def test_what_wrappers_put_into_names_is_taken_out_and_said(prefix: str) -> None:
    found = without_wrappers({prefix + name: tensor for name, tensor in STATE.items()})
    assert_same(found.tensors, STATE)
    assert all(f"'{part}'" in said(found) for part in prefix.split(".")[:-1])


def test_wrappers_around_a_part_are_taken_out_too() -> None:
    given = {"a._orig_mod.weight": torch.ones(2), "b._fsdp_wrapped_module.c.bias": torch.zeros(1)}
    assert list(without_wrappers(given).tensors) == ["a.weight", "b.c.bias"]


def test_the_count_of_an_averaged_model_is_no_weight_of_the_network() -> None:
    given = {"n_averaged": torch.tensor(3), **{f"module.{name}": t for name, t in STATE.items()}}
    assert_same(without_wrappers(given).tensors, STATE)


def test_names_that_would_become_equal_stay() -> None:
    given = {"a._orig_mod.weight": torch.ones(2), "a.weight": torch.zeros(2)}
    assert_same(without_wrappers(given).tensors, given)


@pytest.mark.parametrize(
    "off", ["model.", "net.", "network.", "backbone.", "model.module.net.", "any.thing."]
)
@pytest.mark.parametrize("on", ["", "body."])
def test_a_prefix_that_the_network_has_not_is_taken_off_and_said(off: str, on: str) -> None:
    expected = [on + name for name in STATE]
    found = named_as(expected, {off + name: tensor for name, tensor in STATE.items()})
    assert list(found.tensors) == expected
    assert f"begin with '{off}', which was taken off" in said(found)
    assert (f"'{on}' was put before" in said(found)) is bool(on)


def test_a_prefix_that_the_file_has_not_is_put_before_and_said() -> None:
    found = named_as([f"model.{name}" for name in STATE], STATE)
    assert list(found.tensors) == ["model.0.weight", "model.0.bias"]
    assert "'model.' was put before the names in the file" in said(found)


def test_names_that_fit_are_left_as_they_are() -> None:
    named = named_as(list(STATE), STATE)
    assert named.tensors is STATE
    assert said(named) == ""


def test_what_stands_beside_the_network_under_no_prefix_is_left_aside_and_said() -> None:
    given = {f"model.{name}": tensor for name, tensor in STATE.items()} | {"loss.weight": torch.ones(2)}
    found = named_as(list(STATE), given)
    assert_same(found.tensors, STATE)
    assert "beside the network were left aside: loss.weight" in said(found)


def test_two_copies_of_the_network_under_prefixes_are_told_of() -> None:
    given = {f"{who}.{name}": tensor for who in ("student", "teacher") for name, tensor in STATE.items()}
    found = named_as(list(STATE), given)
    assert_same(found.tensors, STATE)
    assert "begins with 'student.' was taken, not what begins with 'teacher.'" in said(found)


def test_a_network_that_has_more_under_its_prefix_is_another_one() -> None:
    given = {f"model.{name}": tensor for name, tensor in STATE.items()} | {"model.1.weight": torch.ones(2)}
    assert "1.weight" in named_as(list(STATE), given).tensors


# From the command line and from Python


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with code of one's own, which is found from there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "checkpointed", raising=False)
    (tmp_path / "checkpointed.py").write_text(FACTORY)
    return tmp_path


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


def test_a_lightning_checkpoint_goes_into_a_network_without_its_prefix(folder: Path) -> None:
    state = network().state_dict()
    content = saved({"state_dict": prefixed("model.", state), "hyper_parameters": argparse.Namespace(a=1)})
    (folder / "last.ckpt").write_bytes(content)
    told = CliRunner().invoke(
        app, ["layers", "checkpointed:build", "--weights", "last.ckpt", "--input-shape", "4"]
    )
    assert told.exit_code == 0, told.output
    assert "begin with 'model.', which was taken off" in told.output
    assert "Objects of argparse.Namespace were skipped" in told.output
    subject = named_subject("checkpointed:build", weights=folder / "last.ckpt", input_shape=(4,))
    assert_same(subject.network.state_dict(), state)


def test_a_plain_state_dict_goes_into_a_network_that_has_a_prefix(folder: Path) -> None:
    (folder / "m.pt").write_bytes(saved(network().state_dict()))
    subject = named_subject("checkpointed:Wrapped", weights=folder / "m.pt", input_shape=(4,))
    assert_same(subject.network.state_dict(), prefixed("model.", network().state_dict()))
    assert "'model.' was put before" in subject.summary


def test_weights_that_do_not_fit_are_refused_by_what_differs_behind_the_prefix(folder: Path) -> None:
    state = prefixed("model.", {**network().state_dict(), "2.bias": torch.ones(7)})
    (folder / "m.pt").write_bytes(saved(state))
    with pytest.raises(Refused, match=r"2\.bias has shape \[7\] instead of \[2\]"):
        named_subject("checkpointed:build", weights=folder / "m.pt", input_shape=(4,))
    del state["model.2.bias"]
    (folder / "m.pt").write_bytes(saved(state))
    with pytest.raises(Refused, match=r"2\.bias is missing"):
        named_subject("checkpointed:build", weights=folder / "m.pt", input_shape=(4,))


TAKEN = "those of 'model' were taken, not those of 'ema'"
STANDS = "The weights stand under 'model' in a checkpoint."
STRIPPED = "What wrappers had put into the names of the file was taken out: 'module'."
SAID = (TAKEN, STANDS, STRIPPED, "The column 'label' was taken as the label.")
TAUGHT = ("--method", "distill", "--teacher", "checkpointed:build")
SAYING: dict[str, tuple[str, ...]] = {
    "layers": (),
    "evaluate": (),
    "compare": ("--step", "0: uniform bits=4"),
    "explain": ("--step", "0: uniform bits=4", "--items", "2"),
    "apply": ("--step", "0: uniform bits=4", "--out", "out"),
    "pack": ("--step", "0: uniform bits=4", "--out", "m.slim"),
    "export": ("--step", "0: uniform bits=4", "--out", "out"),
    "latency": ("--rounds", "3", "--processes", "3", "--no-variants", "--no-onnx", "--batch", "1"),
    "scan": ("--points", "2", "--families", "bits"),
    "search": ("--trials", "4", "--evaluations", "1"),
    "budget": ("--packed-bytes", "600", "--families", "bits"),
    "train": ("--train", "learn.npz", "--epochs", "1", *TAUGHT),
    "review": ("--step", "0: uniform bits=4"),
}


@pytest.fixture
def with_average(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of a network under DataParallel and its average, with items beside it."""
    monkeypatch.setenv("SLIMSCOPE_WORKSPACE", "")
    plain, average = network().state_dict(), {n: t + 1 for n, t in network().state_dict().items()}
    (folder / "m.ckpt").write_bytes(saved({"model": prefixed("module.", plain), "ema": average}))
    drawn = np.random.default_rng(0)
    np.savez(folder / "learn.npz", inputs=drawn.normal(size=(20, 4)), labels=np.arange(20) % 2)
    rows = (",".join(map(str, [*row, at % 2])) for at, row in enumerate(drawn.normal(size=(40, 4))))
    (folder / "items.csv").write_text("\n".join(["a,b,c,d,label", *rows]))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", SAYING)
def test_every_command_says_once_on_stderr_which_weights_of_a_checkpoint_it_took(
    with_average: Path, command: str
) -> None:
    words = (command, "m.ckpt", "--data", "items.csv", *SAYING[command], "--json")
    told = CliRunner().invoke(app, words, prog_name="slimscope")
    assert told.exit_code in {0, 1, 3}, told.output
    for sentence in SAID:
        assert told.stderr.count(sentence) == 1
    json.loads(told.stdout)
    text = CliRunner().invoke(app, (*words[:-1], "--force") if command in {"apply", "pack"} else words[:-1])
    for sentence in SAID:
        assert text.stderr.count(sentence) == 1
        assert text.stdout.count(sentence) == (command == "review"), "a report tells what was reviewed"


def test_how_a_checkpoint_was_read_goes_with_the_model_to_other_processes_and_other_items(
    with_average: Path,
) -> None:
    subject = named_subject("m.ckpt")
    assert read_bundle(bundle_of(subject)).remarks == subject.remarks
    assert TAKEN in read_bundle(bundle_of(subject)).warnings[0]
    judged = with_items(subject, Items(np.ones((3, 4), np.float32), None))
    assert judged.remarks == subject.remarks
    assert judged.warnings == subject.warnings
    assert str(judged.summary) == str(subject.summary)
    assert TAKEN not in str(subject.summary)


def remarked(sentence: str, rows: int = 3) -> Items:
    """Items, or some to train on, whose reader had something to say."""
    said = ReadingRemarks((f"{sentence}.",), (f"Beware: {sentence}.",))
    inputs = np.full((rows, 4), sum(map(ord, sentence)), np.float32)
    return Items(inputs, np.arange(rows) % 2, remarks=said)


def test_what_was_said_of_items_goes_with_them_and_what_was_said_of_weights_stays(with_average: Path) -> None:
    weights = named_subject("m.ckpt", items=Path("items.csv"))
    of_weights = named_subject("m.ckpt").remarks.summary
    assert weights.remarks.summary[-1] == SAID[-1], "the first items are spoken of"
    first = with_training(with_items(weights, remarked("first")), remarked("learn"))
    assert first.remarks.summary == (*of_weights, "first.", "learn.")
    assert "Beware: learn." in first.warnings
    again = with_training(first, remarked("learn again"))
    assert again.remarks.summary == (*of_weights, "first.", "learn again.")
    other = with_items(again, remarked("other"))
    assert other.remarks.summary == (*of_weights, "other.")
    assert [said for said in other.warnings if "Beware" in said] == ["Beware: other."]
    assert TAKEN in other.warnings[0]
    assert read_bundle(bundle_of(other)).remarks_on == other.remarks_on
    assert with_items(read_bundle(bundle_of(again)), remarked("other")).remarks == other.remarks


def test_the_remarks_of_an_upload_that_an_earlier_release_kept_are_read(with_average: Path) -> None:
    subject = named_subject("m.ckpt")
    files = dict(bundle_of(subject))
    card = json.loads(files[CARD])
    files[CARD] = json.dumps({**card, "remarks": card["remarks"]["weights"]}).encode()
    assert read_bundle(files).remarks == subject.remarks


def test_load_takes_weights_and_an_entry_and_warns_of_a_choice(folder: Path) -> None:
    plain, average = network().state_dict(), {n: t + 1 for n, t in network().state_dict().items()}
    (folder / "m.ckpt").write_bytes(saved({"model": plain, "ema": average}))
    with pytest.warns(UserWarning, match="more than once"):
        subject = compress_core.load("checkpointed:build", weights="m.ckpt", input_shape=(4,))
    assert_same(subject.network.state_dict(), plain)
    subject = compress_core.load("m.ckpt", entry="ema")
    assert torch.equal(subject.network.get_parameter("2.bias"), average["2.bias"])
    with pytest.raises(Refused, match="a network that is given itself has its weights"):
        compress_core.load(network(), torch.ones(2, 4), weights="m.ckpt")
    with pytest.raises(Refused, match="no file of weights is given"):
        compress_core.load("tabular", entry="ema")


def test_a_sample_in_a_lightning_checkpoint_is_recognized_behind_its_prefix(folder: Path) -> None:
    state = compress_core.load("tabular").network.state_dict()
    (folder / "m.ckpt").write_bytes(saved({"state_dict": prefixed("model.", state), "epoch": 1}))
    subject = compress_core.load("m.ckpt")
    assert subject.split("validation")
    assert_same(subject.network.state_dict(), state)
    assert "begin with 'model.'" in subject.summary


# Several files


def shards(folder: Path, **changes: object) -> Path:
    """A network in two files with an index; changes: other places of tensors."""
    state = network().state_dict()
    files = {"a.safetensors": ("0.weight", "2.bias"), "b.safetensors": ("0.bias", "2.weight")}
    for file, names in files.items():
        (folder / file).write_bytes(safetensors.torch.save({name: state[name] for name in names}))
    places = {name: file for file, names in files.items() for name in names}
    places = {name: places[name] for name in state} | changes
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return index


def test_weights_in_several_files_are_one_network_in_the_order_of_the_index(tmp_path: Path) -> None:
    index = shards(tmp_path)
    for place in (index, tmp_path):
        found = state_in(place)
        assert_same(found.tensors, network().state_dict())
        assert "Files of weights that the index names, all of them read: 2." in said(found)
    assert compress_core.load(tmp_path).parameters == 23


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ({"9.weight": "a.safetensors"}, r"'a\.safetensors' differ: '9\.weight' stands in only one"),
        ({"0.weight": "b.safetensors"}, r"differ: '0\.weight' stands in only one"),
        ({"0.weight": "c.safetensors"}, r"leads to 'c\.safetensors', which cannot be read \(No such file"),
        ({"0.weight": "../a.safetensors"}, "no file of weights beside it. Nothing was opened"),
        ({"0.weight": "/etc/passwd"}, "no file of weights beside it"),
        ({"0.weight": "..\\a.safetensors"}, "no file of weights beside it"),
        ({"0.weight": "C:a.safetensors"}, "no file of weights beside it"),
        ({"0.weight": "checkpointed.py"}, "no file of weights beside it"),
        ({"0.weight": ""}, "no file of weights beside it"),
        ({"0.weight": 3}, "is no index of weights"),
        ({"0.weight": ["a.safetensors"]}, "is no index of weights"),
    ],
)
def test_an_index_that_leads_elsewhere_is_refused(
    tmp_path: Path, places: dict[str, object], reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        state_in(shards(tmp_path, **places))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no index"),
        (b"[]", "is no index"),
        (b'{"weight_map": {}}', "is no index"),
        (b'{"weight_map": []}', "is no index"),
        (b'{"weight_map": ' + b'{"a":' * 100_000, "is no index"),
        (b'{"weight_map": {"a": "b.pt", "a": "c.pt"}}', "has 'a' twice"),
        (b"\xff", "is no index"),
        (
            b'{"weight_map": {' + b",".join(b'"%d": "%d.pt"' % (i, i) for i in range(1001)) + b"}}",
            "1,001 tensors in 1,001 files",
        ),
    ],
)
def test_a_broken_index_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    index = tmp_path / "m.index.json"
    index.write_bytes(content)
    with pytest.raises(Refused, match=reason):
        state_in(index)


def test_one_tensor_in_two_files_is_refused(tmp_path: Path) -> None:
    index = shards(tmp_path)
    (tmp_path / "b.safetensors").write_bytes(safetensors.torch.save(network().state_dict()))
    with pytest.raises(Refused, match="stands in only one of them"):
        state_in(index)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "holds no file of weights; it holds nothing"),
        ({"notes.txt": b""}, "it holds notes.txt"),
        ({"saved_model.pb": b""}, "TensorFlow SavedModel"),
        ({"a.pt": b"", "b.pt": b""}, "holds 2 files of weights, 'a.pt', 'b.pt': give one of them"),
    ],
)
def test_a_folder_without_weights_says_what_it_holds(
    tmp_path: Path, files: dict[str, bytes], reason: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused, match=reason):
        named_subject(str(tmp_path))


def test_of_a_folder_safetensors_are_read_before_pickles(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(saved(AVERAGE))
    (tmp_path / "model.safetensors").write_bytes(safetensors.torch.save(STATE))
    assert torch.equal(state_in(tmp_path).tensors["0.weight"], STATE["0.weight"])


# Files that are something else


def exported() -> bytes:
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),)), buffer)
    return buffer.getvalue()


def zipped(*names: str) -> bytes:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (zipped("a/archive_format", "a/models/model.json"), "m.pt2", r"torch\.export wrote \(\.pt2\)"),
        (zipped("config.json", "metadata.json", "model.weights.h5"), "m.keras", "is a Keras model"),
        (zipped("inputs.npy", "labels.npy"), "d.npz", "read as items, not as weights"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "m.h5", "is HDF5"),
        (b"\x1c\x00\x00\x00TFL3" + bytes(99), "m.tflite", "TensorFlow Lite"),
        (b"GGUF\x03" + bytes(99), "m.gguf", "quantized for llama.cpp"),
        (b"\x0a\x05abc", "frozen.pb", "TensorFlow graph"),
        (b"\x08\x07\x12\x07pytorch", "m.onnx", "is an ONNX file"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "m.safetensors", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "m.pt", "is a web page"),
        (b"\x1f\x8b\x08" + bytes(9), "m.pt.gz", "compressed by gzip"),
        (b"what is this", "m.xyz", "is none of these"),
    ],
)
def test_what_people_take_for_weights_is_named_with_what_to_do(
    content: bytes, name: str, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        read_state(content, name)


@pytest.mark.slow
def test_a_program_that_torch_export_wrote_today_is_known() -> None:
    with pytest.raises(Refused, match=r"torch\.export wrote \(\.pt2\)"):
        read_state(exported(), "m.pt2")
