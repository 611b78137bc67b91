"""A ZIP of a Hugging Face folder on a server: read in a process of its own, refused by its bytes."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import compress_core
from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.loading.file_reader import FileReader
from compress_core.loading.huggingface.sent_folder import is_folder_zip
from compress_core.measure.behavior.evaluate import predict
from compress_core.subject.subject import Subject
from dashboard import engine
from dashboard.start.understood import input_said
from dashboard.start.upload_model import read_uploaded
from dashboard.text import refusal, use_language
from tests.hub_folders import CLASSES, NUMBERS, change_config, lines_of, save_folder

LABELS = [1, 0, 2, 1, 0, 1, 0, 2]


@dataclass
class Uploaded:
    """What Streamlit hands over."""

    name: str
    content: bytes

    def getvalue(self) -> bytes:
        return self.content


def zipped(folder: Path, *, inside: str = "net/", compressed: bool = True) -> bytes:
    out = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", method, compresslevel=1) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{inside}{file.relative_to(folder)}")
    return out.getvalue()


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "sentiment"
    save_folder(folder, "BertForSequenceClassification", tokenizer="pieces")
    return folder


@pytest.fixture
def own(bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bert, tmp_path / "net"))


@pytest.fixture(scope="module", autouse=True)
def _reader() -> Iterator[None]:
    yield
    engine.reader().close()


def upload(content: bytes, items: Path | None = None) -> Subject:
    beside = None if items is None else Uploaded(items.name, items.read_bytes())
    return read_uploaded(Uploaded("mine.zip", content), beside)  # type: ignore[arg-type]  # all that is asked of it


def test_start_says_how_many_tokens_a_text_has(bert: Path) -> None:
    subject = upload(zipped(bert), lines_of(bert, LABELS))
    assert len(subject.input.fields) == 2
    assert input_said(subject) == f"{subject.input.fields[0].width} tokens"


def answers(subject: Subject) -> np.ndarray:
    return predict(Model.original(subject), subject.split("validation"), Store()).logits


@pytest.mark.parametrize(
    "inside", ["net/", *(pytest.param(at, marks=pytest.mark.slow) for at in ("", "a/b/"))]
)
def test_a_zip_is_the_model_that_its_folder_is(inside: str, bert: Path, tmp_path: Path) -> None:
    lines = lines_of(tmp_path, [CLASSES[label] for label in LABELS])
    known, sent = compress_core.load(bert, lines), upload(zipped(bert, inside=inside), lines)
    assert sent.title == "mine"
    assert sent.key == known.key
    assert sent.input == known.input
    assert sent.classes == CLASSES
    assert np.array_equal(answers(sent), answers(known))
    assert str(sent.summary) == str(known.summary)
    assert sent.split("validation").labels.tolist() == LABELS  # type: ignore[union-attr]  # has labels


@pytest.mark.slow
def test_a_table_is_texts_for_words_and_numbers_for_the_rest(bert: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("text,label\ngood film,good\nbad film,bad\n")
    subject = upload(zipped(bert), path)
    assert subject.split("validation").labels.tolist() == [1, 0]  # type: ignore[union-attr]  # has labels
    assert np.array_equal(answers(subject), answers(compress_core.load(bert, path)))


def test_a_server_tells_a_label_by_the_line_of_the_file_that_was_sent(bert: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('\n{"text": "good film", "label": 0}\n\n{"text": "bad film", "label": 7}\n')
    with pytest.raises(Refused, match="The label of the text in line 4 is 7"):
        upload(zipped(bert), path)
    path.write_text('\n{"text": "good film", "label": 0}\n\n{"text": "bad film", "label": {"a": 1}}\n')
    with pytest.raises(Refused, match="The label of the text in line 4 is") as refused:
        upload(zipped(bert), path)
    with use_language("zh"):
        assert refusal(refused.value).startswith("第 4 行的文本的标签是")


@pytest.mark.slow
def test_it_opens_without_items_and_with_arrays(bert: Path, tmp_path: Path) -> None:
    assert not upload(zipped(bert)).splits
    ids = np.random.default_rng(0).integers(5, 100, (6, 9))
    np.savez(tmp_path / "words.npz", input_ids=ids, attention_mask=np.ones_like(ids))
    subject = upload(zipped(bert), tmp_path / "words.npz")
    known = compress_core.load(bert, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    assert np.array_equal(answers(subject), answers(known))


@pytest.mark.slow
def test_pictures_come_in_a_zip_too(tmp_path: Path) -> None:
    save_folder(tmp_path / "net", "ResNetForImageClassification")
    (tmp_path / "net" / "preprocessor_config.json").write_text(json.dumps({"size": 32}))
    np.savez(
        tmp_path / "pixels.npz", inputs=np.random.default_rng(0).random((4, 3, 32, 32)).astype(np.float32)
    )
    subject = upload(zipped(tmp_path / "net"), tmp_path / "pixels.npz")
    known = compress_core.load(tmp_path / "net", tmp_path / "pixels.npz")
    assert np.array_equal(answers(subject), answers(known))
    with pytest.raises(Refused, match=r"has no tokenizer\.json for texts"):
        upload(zipped(tmp_path / "net"), lines_of(tmp_path, None))


def test_texts_are_no_items_of_a_file_of_weights(tmp_path: Path, bert: Path) -> None:
    weights = Uploaded("net.safetensors", (bert / "model.safetensors").read_bytes())
    lines = Uploaded("texts.jsonl", lines_of(tmp_path, None).read_bytes())
    with pytest.raises(Refused, match="net reads no text"):
        read_uploaded(weights, lines)  # type: ignore[arg-type]  # all that is asked of them


def test_what_torch_saves_is_no_folder(own: Path) -> None:
    import torch

    torch.save({"config.json": torch.ones(2)}, own / "net.pt")
    assert not is_folder_zip((own / "net.pt").read_bytes())
    assert is_folder_zip(zipped(own))


SERVER: list[tuple[dict[str, Any], str]] = [
    ({"auto_map": {"AutoModel": "modeling.Evil"}}, "asks for code of its own"),
    ({"model_type": "t5"}, "types that are read"),
    ({"hidden_size": 2**40}, "hidden_size of config.json"),
    ({"vocab_size": 2**20}, "has shape"),
    ({"num_hidden_layers": 250}, "is missing"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("change", "says"), SERVER, ids=[str(change)[:40] for change, _ in SERVER])
def test_hostile_configs_are_refused_on_a_server_too(change: dict[str, Any], says: str, own: Path) -> None:
    change_config(own, **change)
    with pytest.raises(Refused, match=says):
        upload(zipped(own))


@pytest.mark.slow
def test_a_small_file_that_unpacks_to_a_large_one_is_refused_unread(own: Path) -> None:
    (own / "tokenizer.json").write_bytes(b" " * (120 * 2**20))
    content = zipped(own)
    assert len(content) < 2**20
    with pytest.raises(Refused, match="would unpack to"):
        upload(content)
    (own / "tokenizer.json").write_bytes(b" " * (33 * 2**20))
    with pytest.raises(Refused, match=r"tokenizer\.json has 34,603,008 bytes"):
        upload(zipped(own))


@pytest.mark.slow
def test_a_tokenizer_that_grows_without_end_ends_with_its_process(own: Path, tmp_path: Path) -> None:
    """A letter becomes two, thirty times: a gigabyte of text."""
    said = json.loads((own / "tokenizer.json").read_text())
    twice = {"type": "Replace", "pattern": {"String": "o"}, "content": "oo"}
    said["normalizer"] = {"type": "Sequence", "normalizers": [twice] * 30}
    (own / "tokenizer.json").write_text(json.dumps(said))
    with pytest.raises(Refused, match="seconds of processor time"):
        upload(zipped(own), lines_of(tmp_path, None))
    reader = FileReader()
    try:
        assert reader.folder(zipped(own), "net.zip").pieces is not None, "the next one is read as ever"
    finally:
        reader.close()


def test_a_network_that_would_compute_too_much_is_refused_before_it_computes(tmp_path: Path) -> None:
    """A small file of one layer that looks at a very large picture."""
    save_folder(tmp_path, "ResNetForImageClassification")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": 4096}))
    with pytest.raises(Refused, match=r"multiplications for one item of \[3, 4096, 4096\]"):
        upload(zipped(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [n for n in NUMBERS if n not in {"ViT", "ResNet", "ConvNext", "MobileNetV2"}]
)
def test_networks_of_words_are_weighed_before_they_run(name: str, tmp_path: Path) -> None:
    kind = "bytes" if name in {"GPT2", "Roberta"} else "pieces"
    save_folder(tmp_path / "net", f"{name}ForSequenceClassification", tokenizer=kind)
    assert len(upload(zipped(tmp_path / "net"), lines_of(tmp_path, None)).split("validation")) == 8


def test_answers_at_every_word_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from compress_core.loading import allowance
    from compress_core.loading.allowance import RunLimits

    save_folder(tmp_path / "net", "GPT2LMHeadModel", tokenizer="bytes")
    lines = lines_of(tmp_path, None)
    monkeypatch.setattr(allowance, "ON_SERVER", RunLimits(scores=10_000))
    with pytest.raises(Refused, match="104 items with 160 classes make 16,640 scores; at most 10,000"):
        upload(zipped(tmp_path / "net"), lines)


def test_a_zip_that_leads_elsewhere_leads_nowhere(own: Path) -> None:
    out = io.BytesIO(zipped(own))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("../../evil.json", "{}")
        archive.writestr("/etc/evil", "x")
    assert upload(out.getvalue()).title == "mine"
    (own / "config.json").unlink()
    with zipfile.ZipFile(out := io.BytesIO(), "w") as archive:
        archive.writestr("a/notes.txt", "config.json stood here")
    with pytest.raises(Refused):
        upload(out.getvalue())


@pytest.mark.slow
def test_what_reads_a_folder_imports_no_torch() -> None:
    code = (
        "import sys\nimport compress_core.loading.reading_child as child\nchild._import_what_reads()\n"
        "import importlib\nimportlib.import_module(child._FOLDERS)\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
