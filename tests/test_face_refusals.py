"""What a newcomer hands to the face by mistake: each is one sentence, with what it must be and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from compress_core import Refused, compare, compress, evaluate, explain, export, load, open_dashboard, pack
from compress_core.apply.model import Model
from compress_core.face.compress_model import recipe_from
from compress_core.face.page_process import PageRequest, start_page
from compress_core.recipe.reading import read_recipe
from compress_core.subject.split import BATCH
from compress_core.subject.subject import Subject

pytestmark = pytest.mark.slow

MOST = BATCH - 1
RULES = "layers: [{match: hidden, steps: [{technique: uniform, bits: 4}]}]"


class Small(nn.Module):
    """8 numbers in, 3 classes out."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(8, 6)
        self.out = nn.Linear(6, 3)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        return self.out(self.hidden(items).relu())


class FewAtOnce(Small):
    """Runs on as many items as a load looks at, and no more."""

    def __init__(self, most: int = MOST) -> None:
        super().__init__()
        self.most = most

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        if len(items) > self.most:
            raise ValueError("too many at once")
        return super().forward(items)


ITEMS = np.random.default_rng(0).normal(size=(240, 8)).astype(np.float32)
LABELS = np.arange(240) % 3
TENSOR = torch.from_numpy(ITEMS)


@lru_cache
def subject() -> Subject:
    return load(Small(), ITEMS, LABELS)


@lru_cache
def small() -> Model:
    return compress(subject(), RULES)


def says(call: Callable[[], object], *parts: str) -> None:
    """One sentence that holds all parts, and no more lines than one."""
    with pytest.raises(Refused) as caught:
        call()
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("classes", "got"),
    [
        ({0: "a", 1: "b", 2: "c"}, "but got a value of type dict"),
        ({"a", "b", "c"}, "but got a value of type set"),
        (3, "but got a value of type int"),
        ("abc", "but got a value of type str"),
        ((name for name in "abc"), "but got a value of type generator"),
        (("a", "b", 3), "classes holds 3"),
        ((None, "b", "c"), "classes holds None"),
    ],
)
def test_classes_are_names_in_an_order(classes: object, got: str) -> None:
    says(lambda: load(Small(), ITEMS, LABELS, classes=classes), got, "write it as in ['cat', 'dog']")


@pytest.mark.parametrize("classes", [("a", "b", "c"), ["a", "b", "c"]])
def test_a_list_and_a_tuple_of_names_are_classes(classes: object) -> None:
    assert load(Small(), ITEMS, LABELS, classes=classes).classes == ("a", "b", "c")


@pytest.mark.parametrize(
    ("items", "labels", "sentence"),
    [
        (ITEMS, [[1], [2, 3]], "labels must be one dense array of numbers"),
        ([[1, 2], [3]], LABELS, "items must be one dense array of numbers"),
        ((ITEMS, LABELS), None, "a tuple of 2, but must be one array [N, ...]: give items and labels one"),
        (np.full((4, 8), "a"), None, "type <U1; they must be real numbers"),
        (ITEMS.astype(complex), None, "type complex128; they must be real numbers"),
        (TENSOR.bfloat16(), None, "a tensor of bfloat16, strided"),
        (TENSOR.to_sparse(), None, "a tensor of float32, sparse_coo"),
        (TENSOR.to(torch.complex64), None, "type complex64; they must be real numbers"),
        ({"inputs": ITEMS}, LABELS, "have an input 'inputs', but its forward takes items"),
        ({"a": "b"}, LABELS, "The array 'a' has 0 dimensions"),
        ("a\0b.npz", None, "holds a character that no file's name can have: leave it out"),
    ],
)
def test_items_that_are_no_numbers_are_refused(items: object, labels: object, sentence: str) -> None:
    says(lambda: load(Small(), items, labels), sentence)


@pytest.mark.parametrize("shape", [10, "10", (), (-10,), (0,), (2.5,), (True,), {10}])
def test_the_shape_of_an_item_is_whole_numbers_above_0(shape: object) -> None:
    says(
        lambda: load(Small(), input_shape=shape),
        "input_shape is a tuple of whole numbers above 0, but got",
        "as in (1, 28, 28)",
    )


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (Small, "Small is a class, not a trained network: give an instance"),
        (Small().state_dict(), "build the network, call network.load_state_dict(state), and give that"),
        (5, "but got a value of type int: give one of these"),
        (None, "but got None: give one of these"),
        (RULES.upper, "but got a value of type builtin_function_or_method"),
        ("a\0b.pt", "cannot be read (embedded null byte)"),
    ],
)
def test_what_is_no_model_is_refused_by_its_kind(model: object, sentence: str) -> None:
    says(lambda: load(model, ITEMS, LABELS), sentence)


def test_a_state_dict_is_not_printed() -> None:
    with pytest.raises(Refused) as caught:
        load(Small().state_dict(), ITEMS)
    assert "tensor(" not in str(caught.value)


def test_a_factory_that_is_no_text_is_refused() -> None:
    says(lambda: load(Small(), ITEMS, factory=Small), "factory is text", "but got the class Small")


@pytest.mark.parametrize("look", [compare, evaluate, lambda model: explain(model, items=20)])
def test_a_network_that_fails_on_many_items_is_told_with_its_own_error(
    look: Callable[[object], object],
) -> None:
    made = compress(load(FewAtOnce(), ITEMS, LABELS), RULES)
    says(lambda: look(made), "The network raised ValueError on", "too many at once", "Correct its forward")


def test_a_network_that_fails_on_the_items_that_a_load_looks_at_is_told_at_once() -> None:
    says(
        lambda: load(FewAtOnce(most=5), ITEMS, LABELS),
        "The network raised ValueError on",
        "items of shape [8] (too many at once)",
    )


@pytest.mark.parametrize(
    ("recipe", "got"),
    [
        (None, "None"),
        (4, "a value of type int"),
        ([{"match": "hidden"}], "a value of type list"),
        (b"layers: []", "a value of type bytes"),
    ],
)
def test_what_is_no_recipe_is_refused_by_its_kind(recipe: object, got: str) -> None:
    says(lambda: compress(subject(), recipe), f"a dict or a Recipe, but got {got}: give one of these")


def test_a_model_is_no_recipe() -> None:
    says(lambda: compress(subject(), small()), "a dict or a Recipe, but got a value of type Model")


def test_a_recipe_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"\xff\xfe\x00\x80")
    says(lambda: compress(subject(), path), "is no text in UTF-8")
    says(lambda: compress(subject(), str(path)), "is no text in UTF-8")


def test_a_line_that_names_a_file_is_a_recipe_file_whatever_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "recipe.txt"
    path.write_text(RULES, encoding="utf-8")
    assert recipe_from(str(path)) == read_recipe(RULES)
    assert recipe_from(RULES + " " * 5000) == read_recipe(RULES), "no file can have so long a name"


@pytest.mark.parametrize(
    "use",
    [
        lambda model: compress(model, RULES),
        evaluate,
        compare,
        explain,
        lambda model: pack(model, "x.slim"),
        lambda model: export(model, "x"),
    ],
)
@pytest.mark.parametrize(("model", "got"), [(Small(), "the network Small"), ("lenet5", "'lenet5'")])
def test_a_network_that_was_not_loaded_is_sent_to_load(
    use: Callable[[object], object], model: object, got: str
) -> None:
    says(lambda: use(model), f"a model that load gave, but got {got}: call load first")


def test_a_model_as_loaded_has_nothing_to_be_compared_with() -> None:
    says(lambda: compare(subject()), "compare needs a compressed model", "or call evaluate")


def test_a_model_as_loaded_is_packed_exported_and_explained(tmp_path: Path) -> None:
    assert pack(subject(), tmp_path / "whole.slim").bytes > 0
    assert export(subject(), tmp_path / "whole").numbers["same_class"].value == 1
    assert len(explain(subject(), "saliency", items=3).items()) == 3


@pytest.mark.parametrize("count", [0, -1, 5000, 2.5, "5", None, True])
def test_how_many_items_are_explained_is_a_whole_number_within_limits(count: object) -> None:
    says(lambda: explain(small(), items=count), "items must be a whole number from 1 to 4096, but got")


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("split", lambda value: evaluate(subject(), split=value)),
        ("split", lambda value: compare(small(), split=value)),
        ("split", lambda value: explain(small(), split=value)),
        ("split", lambda value: export(small(), "x", split=value)),
        ("method", lambda value: explain(small(), value)),
        ("to", lambda value: export(small(), "x", value)),
    ],
)
def test_a_split_a_method_and_a_format_are_named_by_text(name: str, use: Callable[[object], object]) -> None:
    says(lambda: use(["a"]), f"{name} is a name, but got a value of type list: give it as text")


def test_a_port_that_is_no_number_is_refused() -> None:
    says(lambda: open_dashboard(Small(), ITEMS, port="x"), "Port x cannot be served")


@pytest.mark.parametrize("seed", ["x", -1, 2**64, 0.5])
def test_a_seed_is_a_whole_number(seed: object) -> None:
    says(lambda: explain(small(), items=2, seed=seed), "seed must be a whole number from 0 to", "but got")


@pytest.mark.parametrize("write", [pack, export])
@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (5, "A path is text or a pathlib.Path, but got a value of type int"),
        (None, "A path is text or a pathlib.Path, but got None"),
        ("a\0b", "holds a character that no file's name can have"),
        ("\ud800", "holds a character that no file's name can have"),
    ],
)
def test_a_place_for_files_is_a_path(
    write: Callable[[object, object], object], path: object, sentence: str
) -> None:
    says(lambda: write(small(), path), sentence)


@pytest.mark.parametrize(
    "call",
    [
        lambda: load("nope"),
        lambda: load(Small()),
        lambda: load(Path(__file__).parent / "nope" / "weights"),
    ],
)
def test_no_sentence_of_the_face_speaks_of_options_of_a_shell(call: Callable[[], object]) -> None:
    with pytest.raises(Refused) as caught:
        call()
    assert "--" not in str(caught.value)


def test_no_sentence_about_loading_speaks_of_an_option_that_a_page_does_not_have() -> None:
    folder = Path(__file__).parent.parent / "compress_core" / "loading"
    for option in ("--model", "--data", "--input-shape"):
        assert not [path.name for path in folder.rglob("*.py") if option in path.read_text(encoding="utf-8")]


@pytest.mark.skipif(sys.platform == "win32", reason="groups of processes are POSIX")
def test_ctrl_c_in_a_terminal_does_not_reach_the_process_of_the_page() -> None:
    process: subprocess.Popen[bytes] = start_page(PageRequest(port=0, model="lenet300"))
    try:
        assert os.getpgid(process.pid) != os.getpgid(0)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.terminate()
        process.wait()
