"""What people bring that looks right and is not: found when it is loaded, and the sentence says what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from compress_core import Refused, compress, load
from compress_core.loading.items import read_items
from compress_core.loading.text_items import text_items, texts_in, texts_in_lines
from compress_core.subject.answer_kind import AnswerKind
from tests.onnx_files import by_torch

ROWS = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
LABELS = np.arange(30) % 3


def plain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))


class Spoiled(nn.Module):
    """Finite layers whose answers forward makes no numbers of, all or those of one item in two."""

    def __init__(self, *, only_some: bool) -> None:
        super().__init__()
        self.layers = plain()
        self.only_some = only_some

    def forward(self, x: Tensor) -> Tensor:
        answered: Tensor = self.layers(x)
        return answered * torch.where((x[:, :1] > 0) | (not self.only_some), torch.nan, 1.0)


@pytest.mark.parametrize("only_some", [False, True])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_answers_that_are_no_numbers_are_found_though_all_layers_are_finite(only_some: bool) -> None:
    count = int((ROWS[:, 0] > 0).sum()) if only_some else 30
    said = [str(each) for each in load(Spoiled(only_some=only_some), ROWS, LABELS).warnings]
    assert any(f"answers {count} of 30 items that were tried with NaN" in each for each in said)
    assert not any("NaN" in str(each) for each in load(plain(), ROWS, LABELS).warnings)


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "it is empty"), (b"garbage here", "begins with other bytes .67 61 72 62")]
)
def test_a_file_that_is_only_called_onnx_is_told_so(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(Refused, match=f"is called an ONNX file and is none: .*{says}"):
        load(path)


def _onnx(folder: Path, network: nn.Module) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(by_torch(network, torch.from_numpy(ROWS[:1]), dynamo=False))
    return path


@pytest.mark.slow
def test_what_does_not_go_with_an_onnx_file_is_refused(tmp_path: Path) -> None:
    path = _onnx(tmp_path, plain())
    with pytest.raises(Refused, match=r"ema names a part of a checkpoint, but net.onnx is an ONNX file"):
        load(path, ROWS, LABELS, entry="ema")
    with pytest.raises(Refused, match=r"shape \[7\] was given for one item, but the ONNX file takes \[4\]"):
        load(path, ROWS, LABELS, input_shape=(7,))
    assert load(path, ROWS, LABELS, input_shape=(4,)).input.shape == (4,)


def test_whole_numbers_are_answered_by_an_onnx_regressor_that_is_asked_for_them(tmp_path: Path) -> None:
    path = _onnx(tmp_path, nn.Sequential(nn.Linear(4, 1)))
    assert load(path, ROWS, LABELS * 50, task="regression").answers is AnswerKind.VALUES
    with pytest.raises(Refused, match="go up to 100, but the network has 1 classes"):
        load(path, ROWS, LABELS * 50, task="classification")


def test_names_of_two_classes_differ() -> None:
    with pytest.raises(Refused, match="classes calls two classes 'a'"):
        load(plain(), ROWS, LABELS, classes=("a", "a", "b"))


def test_a_column_of_labels_is_asked_of_tables_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", inputs=ROWS, labels=LABELS)
    for items in (tmp_path / "rows.npz", ROWS):
        with pytest.raises(Refused, match="The label column zzz is one of a table"):
            load(plain(), items, label_column="zzz")


def test_a_scale_of_pictures_is_asked_of_images_alone() -> None:
    says = r"Preprocessing says .*mean=0.5.*, but the items of shape \[4\] are no images"
    with pytest.raises(Refused, match=says):
        load(plain(), ROWS, LABELS, preprocessing="mean=0.5")


@pytest.mark.parametrize("how", ["resize=8", "crop=8", "channels=gray", "interpolation=nearest", "imagenet"])
def test_what_is_done_to_pictures_is_asked_of_pictures_alone(tmp_path: Path, how: str) -> None:
    images = np.zeros((3, 3, 16, 16), np.float32)
    np.savez(tmp_path / "images.npz", inputs=images)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    for items, called in ((tmp_path / "images.npz", r"images\.npz"), (images, "arrays"), (ROWS, "arrays")):
        with pytest.raises(Refused, match=f"Preprocessing says .*, but the items are {called} and taken"):
            load(network, items, preprocessing=how)
    assert load(network, tmp_path / "images.npz", preprocessing="mean=0.5 std=0.5").input.mean == (0.5,)


@pytest.mark.parametrize("how", ["resize=8 crop=4", "channels=gray"])
def test_a_sample_takes_its_own_items_as_they_are(how: str) -> None:
    with pytest.raises(Refused, match="tabular has items of its own"):
        load("tabular", preprocessing=how)


def test_weights_alone_take_numbers_of_classes_as_they_came(tmp_path: Path) -> None:
    torch.save(plain().state_dict(), tmp_path / "net.pt")
    subject = load(tmp_path / "net.pt", ROWS, LABELS.astype(np.float32), task="classification")
    assert subject.splits["validation"].labels.tolist() == LABELS.tolist()  # type: ignore[union-attr]


def test_a_recipe_for_a_network_without_layers_is_told_that_there_are_none() -> None:
    with pytest.raises(Refused, match="the model has no layer with weights that can be compressed"):
        compress(
            load(nn.Sequential(nn.ReLU()), ROWS, LABELS),
            "layers: [{match: '*', steps: [{technique: magnitude, sparsity: 0.5}]}]",
        )


def test_half_a_character_is_named_with_its_text() -> None:
    with pytest.raises(Refused, match=r"At place 4 of text 1, counted from 0, stands U\+D800, half"):
        text_items(["fine", "bad\ud800"], None)
    with pytest.raises(Refused, match=r"At place 1 of the text in line 2 stands U\+D800"):
        texts_in_lines(b'\n{"text": "\\ud800"}', "t.jsonl")


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv"])
def test_files_of_texts_without_texts_say_what_was_got(name: str) -> None:
    with pytest.raises(Refused, match=rf"{name} is empty \(1 bytes\)"):
        texts_in(b"\n", name)
    with pytest.raises(Refused, match=f"{name} is in UTF-16"):
        texts_in("text,label\na,b\n".encode("utf-16"), name)


def test_tables_without_rows_and_in_another_encoding_say_what_was_got() -> None:
    with pytest.raises(Refused, match=r"'t.csv' is empty \(0 bytes\)"):
        read_items(b"", "t.csv")
    with pytest.raises(Refused, match=r"t.csv is in UTF-16"):
        read_items("a,b,label\n1,2,0\n".encode("utf-16"), "t.csv")


def _picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)


class Flat(nn.Module):
    """A class for a picture of 4 x 4."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(48, 2)

    def forward(self, x: Tensor) -> Tensor:
        answered: Tensor = self.layer(x.flatten(1))
        return answered


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pictures_of_a_kind_that_is_not_read_are_counted(tmp_path: Path) -> None:
    for name in ("a/0.png", "a/1.gif", "b/0.png"):
        _picture(tmp_path / name)
    said = " ".join(map(str, load(Flat(), tmp_path).warnings))
    assert "1 pictures are of a kind that is not read" in said
    assert "a/1.gif" in said


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_one_folder_of_pictures_is_said_to_tell_no_classes(tmp_path: Path) -> None:
    for name in ("cat/0.png", "cat/1.png"):
        _picture(tmp_path / name)
    subject = load(Flat(), tmp_path)
    assert subject.splits["validation"].labels is None
    assert any("All pictures lie in one folder, cat" in str(said) for said in subject.warnings)
    assert not any("one folder" in str(said) for said in load(Flat(), tmp_path / "cat").warnings)
