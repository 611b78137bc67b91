"""Names that a file brought are shown with every character that would turn or hide text as its escape."""

from __future__ import annotations

import pytest
from torch import nn
from typer.testing import CliRunner

from compress_core.apply.model import Model
from compress_core.cli import app, printing
from compress_core.deliver.packed_file import pack_bytes
from compress_core.foundation.printable import printable
from compress_core.subject.input_form import InputForm
from compress_core.subject.subject import make_subject
from dashboard.text import literal

NASTY = {
    "turned\u202egnp.exe": "turned\\u202egnp.exe",
    "iso\u2066late": "iso\\u2066late",
    "red\x1b[31m": "red\\x1b[31m",
    "two\nlines": "two\\nlines",
    "no\u200bwidth": "no\\u200bwidth",
    "bom\ufeff": "bom\\ufeff",
}


@pytest.mark.parametrize("name", NASTY)
def test_what_turns_or_hides_text_becomes_its_escape(name: str) -> None:
    assert printable(name) == NASTY[name]


@pytest.mark.parametrize("name", ["conv1.weight", "层 一", "größe", "a b", "", "😀"])
def test_an_ordinary_name_stays_the_same_object(name: str) -> None:
    assert printable(name) is name


def _subject(name: str):
    form = InputForm("table", (3,))
    return make_subject(name, name, nn.Sequential(nn.Linear(3, 2)), form, (name, "b"), {})


@pytest.mark.parametrize("name", NASTY)
def test_a_model_is_shown_under_a_name_that_reads_as_it_is(name: str) -> None:
    subject = _subject(name)
    assert subject.title == subject.name == subject.classes[0] == NASTY[name]


@pytest.mark.parametrize("name", NASTY)
def test_pages_and_tables_show_no_such_character(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert literal(name).isprintable()
    printing.print_table(("layer", "why"), [[name, name]])
    assert capsys.readouterr().out.replace("\n", "").isprintable()


def test_unpack_shows_the_name_that_a_file_says_with_its_escapes(tmp_path) -> None:
    network = nn.Sequential(nn.Linear(3, 2))
    subject = make_subject("x" * 6, "x", network, InputForm("table", (3,)), ("a", "b"), {})
    content = pack_bytes(Model.original(subject)).replace(b"x" * 6, "x\u202exx".encode())
    body = content[:-4]
    import zlib

    (tmp_path / "a.slim").write_bytes(body + zlib.crc32(body).to_bytes(4, "little"))
    said = CliRunner().invoke(app, ["unpack", str(tmp_path / "a.slim"), "--out", str(tmp_path / "out")])
    assert said.exit_code == 0, said.output
    assert "x\\u202exx" in said.stdout
    assert "\u202e" not in said.stdout
