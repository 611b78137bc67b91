"""What slimscope wrote it may replace; files of others, and its own that were edited, stay unless forced."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner, Result

import compress_core
from compress_core.cli import app
from compress_core.deliver.own_files import marked, refuse_to_replace
from compress_core.foundation.errors import Refused

STEP = ("--step", "fc1: magnitude sparsity=0.3")
WRITERS = {
    "apply": (("apply", "tabular", *STEP), ("model.safetensors", "recipe.yaml", "numbers.json")),
    "export": (("export", "tabular", *STEP), ("model.py", "weights.safetensors")),
    "unpack": (("unpack", "one.slim"), ("model.safetensors",)),
    "unpack with source": (("unpack", "two.slim"), ("model.py", "weights.safetensors")),
}
CASES = [(command, name) for command, (_, names) in WRITERS.items() for name in names]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--out", "out"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    model = compress_core.load("tabular")
    compress_core.pack(model, "one.slim")
    compress_core.pack(model, "two.slim", with_source=True)
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.mark.parametrize(("command", "name"), CASES)
def test_a_file_of_somebody_else_stays_as_it_is_and_nothing_else_is_written(
    folder: Path, command: str, name: str
) -> None:
    (folder / "out" / name).write_text("# mine\n")
    result = run(*WRITERS[command][0])
    assert result.exit_code == 2
    assert "was not written by slimscope" in result.stderr
    assert "--force" in result.stderr
    assert (folder / "out" / name).read_text() == "# mine\n"
    assert [path.name for path in (folder / "out").iterdir()] == [name]


@pytest.mark.parametrize(("command", "name"), CASES)
def test_force_replaces_it_and_what_is_ours_is_replaced_without(
    folder: Path, command: str, name: str
) -> None:
    (folder / "out" / name).write_text("# mine\n")
    assert run(*WRITERS[command][0], "--force").exit_code == 0
    written = (folder / "out" / name).read_bytes()
    assert written != b"# mine\n"
    assert run(*WRITERS[command][0]).exit_code == 0
    assert (folder / "out" / name).read_bytes() == written


@pytest.mark.parametrize("name", ["recipe.yaml", "numbers.json"])
def test_our_own_text_that_was_edited_is_no_longer_ours(folder: Path, name: str) -> None:
    assert run(*WRITERS["apply"][0]).exit_code == 0
    path = folder / "out" / name
    path.write_text(path.read_text().replace("0.3", "0.4"))
    edited = path.read_bytes()
    assert "was changed since" in run(*WRITERS["apply"][0]).stderr
    assert path.read_bytes() == edited


def test_apply_leaves_the_recipe_that_it_was_given(folder: Path) -> None:
    recipe = folder / "out" / "recipe.yaml"
    recipe.write_text("layers:  # mine\n  - {match: fc1, steps: [{technique: magnitude, sparsity: 0.3}]}\n")
    given = recipe.read_text()
    assert run("apply", "tabular", "out/recipe.yaml").exit_code == 2
    assert recipe.read_text() == given


def test_python_refuses_and_forces_alike(folder: Path) -> None:
    model = compress_core.load("tabular")
    (folder / "notes.slim").write_text("mine")
    (folder / "out" / "model.py").write_text("mine = True")
    with pytest.raises(Refused, match="force=True"):
        compress_core.pack(model, "notes.slim")
    with pytest.raises(Refused, match="force=True"):
        compress_core.export(model, "out")
    assert (folder / "notes.slim").read_text() == "mine"
    assert not (folder / "out" / "weights.safetensors").exists()
    assert compress_core.pack(model, "notes.slim", force=True).path.stat().st_size > 4
    assert compress_core.export(model, "out", force=True).files["model.py"] > 20


def test_a_folder_is_never_replaced(tmp_path: Path) -> None:
    for force in (False, True):
        with pytest.raises(Refused, match="is no file"):
            refuse_to_replace([tmp_path], force=force)


def test_a_link_to_nowhere_is_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "model.py").symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(Refused, match="is no file"):
        refuse_to_replace([tmp_path / "model.py"], force=False)


@pytest.mark.parametrize("name", ["a.safetensors", "a.onnx", "a.py", "a.yaml", "a.json", "a.slim", "a"])
@pytest.mark.parametrize("content", [b"", b"\xff" * 300, b"# slimscope 0123456789ab\n", b"{\n  "])
def test_what_looks_like_ours_or_like_nothing_is_somebody_elses(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused, match="was not written by slimscope"):
        refuse_to_replace([tmp_path / name], force=False)


def test_weights_without_our_note_are_somebody_elses(tmp_path: Path) -> None:
    save_file({}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(Refused, match="was not written by slimscope"):
        refuse_to_replace([tmp_path / "model.safetensors"], force=False)


@pytest.mark.parametrize(
    ("name", "content"), [("a.py", b"x = 1\n"), ("a.yaml", b"a: 1\n"), ("a.json", b'{\n  "a": 1\n}\n')]
)
def test_a_marked_text_is_ours_until_it_changes(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(marked(name, content))
    refuse_to_replace([path], force=False)
    path.write_bytes(path.read_bytes().replace(b"1\n", b"2\n"))
    with pytest.raises(Refused, match="changed since"):
        refuse_to_replace([path], force=False)
