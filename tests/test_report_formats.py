"""Reports that were written by earlier releases are read for years, and what they do not say stays unsaid."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from compress_core.cli import app
from compress_core.cli.printed_review import print_review
from compress_core.foundation.errors import Refused
from compress_core.foundation.frozen_json import as_plain
from compress_core.foundation.store import Store
from compress_core.reviews.findings import BECAUSE, FORMAT
from compress_core.reviews.gate_file import read_gates
from compress_core.reviews.judging import Asked
from compress_core.reviews.made_again import read_review, verified
from compress_core.reviews.report_formats import in_todays_format, not_recorded
from compress_core.reviews.report_page import report_html
from compress_core.reviews.seals import SEALS, broken_seals, sealed
from tests.subjects import loaded_sample
from tests.test_review import FEW, coarse, made, small_subject

KEPT = Path(__file__).parent / "reports"  # as the releases of their time wrote them
EARLIER = range(1, FORMAT)
UNKNOWN: dict[int, tuple[str, ...]] = {
    1: ("files", BECAUSE, "model.remarks", "decision.files"),
    2: ("files", "model.remarks", "decision.files"),
    3: ("files", "decision.files"),
    FORMAT: (),
}


def kept(number: int) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((KEPT / f"format_{number}.json").read_text())
    return content


def written_as(content: dict[str, Any], number: int) -> dict[str, Any]:
    """What a release of that format would have written of the same review."""
    said = copy.deepcopy({name: value for name, value in content.items() if name != SEALS})
    del said["files"]
    del said["decision"]["files"]
    if number < 3:
        del said["model"]["remarks"]
    if number == 1:
        del said[BECAUSE]
        del said["circumstances"]["no_command"]
    return sealed({**said, "format": number})


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """A report of today's format as its file holds it."""
    gates = read_gates(f"{FEW}title: one\ngates: [{{measure: accuracy_change, limit: -0.3}}]")
    store = Store()
    review = made(coarse(small_subject(40), store), gates, store, Asked())
    content: dict[str, Any] = json.loads(json.dumps(sealed(review.as_json())))
    return content


@pytest.mark.parametrize("number", [*EARLIER, FORMAT])
def test_a_report_of_each_format_is_read_and_its_seals_are_whole(number: int) -> None:
    """One of today's too: who adds a field, or takes one, raises the format and keeps a report of it here."""
    content = kept(number)
    assert content["format"] == number
    assert broken_seals(content) == []
    review = read_review(content)
    assert (review.model.remarks is None) == (number < 3), "not recorded is not that there were none"
    assert (review.files is None) == (number < 4), "nor that there were none of these"
    assert review.model.items == content["model"]["items"]
    lifted = {
        name: value for name, value in in_todays_format(content).items() if name not in {SEALS, BECAUSE}
    }
    assert json.loads(json.dumps(as_plain(review, text=str))) == lifted, (
        "every field of today's, and no other"
    )
    assert not_recorded(content) == UNKNOWN[number]


def empty_in(said: Any, path: str = "") -> list[str]:
    """Where a list or a mapping without anything stands."""
    inner = said.items() if isinstance(said, dict) else enumerate(said) if isinstance(said, list) else ()
    if isinstance(said, dict | list) and not said:
        return [path]
    return [found for name, each in inner for found in empty_in(each, f"{path}.{name}")]


def test_the_report_of_today_that_is_kept_has_a_row_in_every_list() -> None:
    """A field of a row that comes or goes would not be seen where there is none."""
    assert empty_in(kept(FORMAT)) == []


def test_what_is_shown_of_an_earlier_report_says_that_remarks_and_files_were_not_recorded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    review = read_review(kept(2))
    print_review(review, as_json=False)
    printed = capsys.readouterr().out
    assert "\nRead: not recorded\n" in printed
    assert "\nFiles: not recorded\n" in printed
    page = report_html(review, {})
    assert "<h2>Files of the model</h2>\n<p>not recorded</p>" in page
    assert "<dt>How its files were read</dt><dd>not recorded</dd>" in page
    assert "<dt>文件的读取方式</dt><dd>未记录</dd>" in page


@pytest.mark.slow
@pytest.mark.parametrize("number", EARLIER)
def test_an_earlier_report_made_again_is_the_same_in_all_that_it_records(
    report: dict[str, Any], number: int
) -> None:
    earlier = written_as(report, number)
    made_again = verified(earlier, small_subject(40), Store())
    assert made_again.differences == ()
    today = {
        "files": report["files"],
        BECAUSE: report[BECAUSE],
        "model.remarks": report["model"]["remarks"],
        "decision.files": report["decision"]["files"],
    }
    assert made_again.not_recorded == {path: today[path] for path in UNKNOWN[number]}
    forged = copy.deepcopy(earlier)
    forged["model"]["n"] = 41
    assert [each.path for each in verified(forged, small_subject(40), Store()).differences] == ["model.n"]


@pytest.mark.parametrize(
    ("number", "path"),
    [
        (1, BECAUSE),
        (1, "circumstances.no_command"),
        (2, "model.remarks"),
        (3, "files"),
        (3, "decision.files"),
    ],
)
@pytest.mark.parametrize("said", [None, ["all was taken"]])
def test_a_report_that_only_calls_itself_an_earlier_one_is_refused(
    number: int, path: str, said: list[str] | None
) -> None:
    """One that lacks what a later format records differs in nothing there, whatever is found today."""
    lying = kept(number)
    *within, name = path.split(".")
    (lying[within[0]] if within else lying)[name] = said
    for read in (read_review, in_todays_format):
        with pytest.raises(Refused, match=f"of an earlier format, which had no field '{name}'"):
            read(lying)


@pytest.mark.slow
@pytest.mark.parametrize("number", EARLIER)
def test_verify_says_what_an_earlier_report_does_not_record(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    state = loaded_sample("tabular").network.state_dict()
    torch.save({"state_dict": state, "epoch": 3}, "net.pt")  # of which the third speaks
    words = ["verify", str(KEPT / f"format_{number}.json")]
    said = CliRunner().invoke(app, words, prog_name="slimscope")
    assert said.exit_code in {0, 1}, said.output
    unknown = ", ".join(UNKNOWN[number])
    assert f"Not recorded in a report of format {number}, and so not compared: {unknown}." in said.stdout
    assert "remarks: the report says" not in said.stdout
    told = json.loads(CliRunner().invoke(app, [*words, "--json"], prog_name="slimscope").stdout)
    assert tuple(told["not_recorded"]) == UNKNOWN[number]
    for path, found in told["not_recorded"].items():
        assert (
            f"\n{path}: not recorded; found today: {json.dumps(found, ensure_ascii=False)}\n" in said.stdout
        )


@pytest.mark.parametrize("number", [True, 0, -1, 2.0, "2", None])
def test_what_has_no_format_is_no_report(number: object) -> None:
    with pytest.raises(Refused, match="no report of slimscope review"):
        broken_seals({**kept(2), "format": number})


def test_a_report_of_a_newer_format_is_refused_with_what_reads_it() -> None:
    with pytest.raises(Refused, match=f"format {FORMAT + 1}, and this release reads formats 1 to {FORMAT}"):
        read_review({**kept(2), "format": FORMAT + 1})
