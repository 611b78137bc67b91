"""A review: what it finds, how the command ends, what looks at test items cost, and late labels."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from markupsafe import escape
from torch import nn
from typer.testing import CliRunner, Result

from compress_core.apply.lineage import history_sha, read_lineage
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.cli import app
from compress_core.decide.operation_words import name_in_file_name, name_of
from compress_core.deliver.packed_file import pack_bytes, read_packed_state
from compress_core.foundation.errors import Refused
from compress_core.foundation.frozen_json import as_plain
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.json_text import as_text
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import compare, evaluate
from compress_core.measure.behavior.metrics.accuracy_change import accuracy_change
from compress_core.measure.explain.explanation import noisy
from compress_core.recipe.values import Step
from compress_core.reviews.circumstances_now import circumstances_of
from compress_core.reviews.decisions import decided
from compress_core.reviews.evidence_files import evidence_zip
from compress_core.reviews.findings import EPOCH_CHOSEN_APART, EPOCH_CHOSEN_HERE, LooksTaken, Review
from compress_core.reviews.gate import Gates
from compress_core.reviews.gate_file import read_gates
from compress_core.reviews.gate_verdict import Outcome
from compress_core.reviews.judging import Asked, reviewed
from compress_core.reviews.late_labels import disagreement_frame, disagreements, read_labels
from compress_core.reviews.looks_at_test import fix_gates, look_at
from compress_core.reviews.made_again import verified
from compress_core.reviews.model_files import files_of
from compress_core.reviews.report_language import speak
from compress_core.reviews.report_page import report_html
from compress_core.reviews.seals import SEALS, sealed
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from tests.subjects import rules, seeded, tiny_subject

pytestmark = pytest.mark.slow

FEW = "conditions: {attribution_items: 10}\n"
NONE = read_gates(FEW)
ON_CHURN = read_gates(FEW + "gates: [{measure: churn, limit: 0.9}]")


def small_subject(items: int = 60) -> Subject:
    """A tiny classifier whose items are test items, labeled by its own answers but for every fifth."""
    network = seeded(nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3)))
    made = tiny_subject(network, (6,), items)
    split = made.split("validation")
    with torch.inference_mode():
        labels = made.network(split.inputs).argmax(1)
    labels = torch.where(torch.arange(items) % 5 == 0, (labels + 1) % 3, labels)
    return replace(made, splits={"test": Split("test", split.inputs, labels)})


def coarse(subject: Subject, store: Store, bits: int = 2) -> Model:
    return compress(subject, rules(any=Step.of("uniform", bits=bits)), store)


def made(model: Model, gates: Gates, store: Store, asked: Asked | None = None) -> Review:
    work = reviewed(model, gates, asked or Asked(), circumstances_of("", {}, 0), store)
    return result_of(work)


# What it finds


def test_a_review_says_what_compare_says() -> None:
    subject, store = small_subject(), Store()
    model = coarse(subject, store)
    review, comparison = made(model, ON_CHURN, store), compare(model, subject.split("test"), store)
    assert review.judged[0].number == comparison.numbers["churn"]
    assert {row.name: row.after for row in review.numbers} == dict(comparison.numbers)
    assert [row.change.value for row in review.classes] == list(comparison.per_class()["change"])
    assert sum(cell.count for cell in review.cells) == len(review.flips) == len(disagreements(comparison)) > 0
    assert [flip.item for flip in review.flips] == list(comparison.changed_items()["item"])


def test_a_review_comes_back_from_its_json_with_texts_that_can_be_translated() -> None:
    store = Store()
    review = made(coarse(small_subject(), store), ON_CHURN, store)
    again = Review.from_json(json.loads(json.dumps(as_plain(review))))
    assert again == review
    assert [type(text) for text in again.not_tested] == [type(text) for text in review.not_tested]
    rounded = Review.from_json(json.loads(json.dumps(review.as_json())))
    assert rounded.as_json() == review.as_json()


def test_a_file_without_gates_passes_nothing() -> None:
    store = Store()
    assert made(coarse(small_subject(), store, bits=8), NONE, store).verdict is Outcome.NOT_MEASURED


def test_what_no_gate_asks_for_is_said_to_be_untested_and_the_rest_is_not() -> None:
    store = Store()
    gates = read_gates(FEW + "gates: [{measure: noise_robustness, limit: -50}]")
    said = [str(text) for text in made(coarse(small_subject(), store), gates, store).not_tested]
    assert any("How long it takes" in text for text in said)
    assert not any("noise" in text for text in said)


def test_the_worst_part_is_bounded_below_by_itself_and_above_by_all_parts_together() -> None:
    subject, store = small_subject(), Store()
    gates = read_gates(
        FEW + "gates: [{measure: worst_class_change, limit: 0}, {measure: subgroup_change, limit: 0}]"
    )
    labels = subject.split("test").labels
    assert labels is not None
    groups = labels.numpy().astype(np.str_)  # the same parts by another name
    model = coarse(subject, store)
    by_class, by_group = made(model, gates, store, Asked(groups=groups)).judged
    table = compare(model, subject.split("test"), store).per_class()
    assert by_class.number == by_group.number
    assert by_class.number.value == pytest.approx(table["change"].min())
    assert by_class.number.high == pytest.approx(max(table["high"].min(), table["change"].min()))
    assert by_class.number.low is not None
    assert by_class.number.low >= table["low"].min()  # those are wider, since they hold together


def test_noise_is_seen_by_both_models() -> None:
    subject, store = small_subject(), Store()
    gates = read_gates(
        FEW.replace("10}", "10, noise: 0.5}") + "gates: [{measure: noise_robustness, limit: 0}]"
    )
    model, split = coarse(subject, store), subject.split("test")
    support = np.ones((60, 6), dtype=np.bool_)  # every feature of a table counts
    shaken = noisy(split.inputs, support, 0.5 * float(split.inputs.std()), 0)
    assert split.labels is not None
    with torch.inference_mode():
        right = [
            (network(shaken).argmax(1) == split.labels).numpy()
            for network in (subject.network, model.network())
        ]
    (judged,) = made(model, gates, store).judged
    assert judged.number.value == pytest.approx(100 * (right[1].mean() - right[0].mean()))
    assert not np.array_equal(*right)


def test_attribution_of_an_unchanged_model_stands_at_the_ceiling_or_above() -> None:
    subject, store = small_subject(), Store()
    gates = read_gates(
        "conditions: {attribution_items: 40}\ngates: [{measure: attribution_similarity, limit: 0.5}]"
    )
    review = made(Model.original(subject), gates, store)
    assert review.judged[0].number.value is not None
    assert review.judged[0].number.value >= 1
    assert review.alike_flips.similarity.reason == "No item changed its predicted class."


# Looks at test items


def kept(folder: Path, times: list[float]) -> Store:
    return Store(workspace=Workspace.at(folder, clock=lambda: times[0]))


def test_every_model_that_anybody_evaluates_on_test_items_is_a_look(tmp_path: Path) -> None:
    times = [10.0]
    store, subject = kept(tmp_path, times), small_subject()
    split = subject.split("test")
    for bits in (2, 3, 3):
        evaluate(coarse(subject, store, bits), split, store)
    assert store.workspace is not None
    store.workspace.looks.note("a visitor", subject.digest, split.digest, "another model")
    looks = made(coarse(subject, store, 4), ON_CHURN, store).looks
    assert (looks.models, looks.first) == (4, 10.0)


def test_gates_that_are_fixed_before_the_first_look_are_told_from_those_that_are_not(tmp_path: Path) -> None:
    times = [1.0]
    store, subject = kept(tmp_path, times), small_subject()
    fix_gates(ON_CHURN, store)
    times[0] = 2.0
    assert made(coarse(subject, store), ON_CHURN, store).looks.fixed_before is True
    times[0] = 3.0
    later = read_gates(FEW + "gates: [{measure: churn, limit: 0.91}]")
    looks = made(coarse(subject, store), later, store).looks
    assert (looks.fixed_before, looks.gates_since, looks.first) == (False, 3.0, 2.0)
    assert fix_gates(ON_CHURN, store) == 1.0


def test_gates_that_a_first_review_brings_are_noted_before_its_look(tmp_path: Path) -> None:
    store, subject = kept(tmp_path, [5.0]), small_subject()
    looks = made(coarse(subject, store), ON_CHURN, store).looks
    assert (looks.models, looks.first, looks.gates_since, looks.fixed_before) == (1, 5.0, 5.0, True)


def test_without_a_workspace_nobody_knows(tmp_path: Path) -> None:
    subject, store = small_subject(), Store()
    looks = look_at(coarse(subject, store), subject.split("test"), ON_CHURN, store)
    assert (looks.models, looks.first, looks.fixed_before) == (1, None, None)


def test_looks_at_items_on_which_recipes_are_chosen_are_not_counted(tmp_path: Path) -> None:
    store, subject = kept(tmp_path, [5.0]), small_subject()
    split = replace(subject.split("test"), name="validation")
    subject = replace(subject, splits={"validation": split})
    review = made(coarse(subject, store), ON_CHURN, store, Asked("validation"))
    assert review.looks == LooksTaken(0, None, 5.0)
    page = report_html(review, {})
    assert "not counted: these are no test items" in page
    assert "before the first look" not in page


# Labels that come later


def unlabeled(subject: Subject) -> Subject:
    split = subject.split("test")
    return replace(subject, splits={"test": Split("test", split.inputs, None)})


def comparisons(store: Store) -> tuple[Comparison, Comparison]:
    """The same two models with and without labels."""
    subject = small_subject()
    bare = unlabeled(subject)
    return tuple(compare(coarse(s, Store()), s.split("test"), store) for s in (subject, bare))  # type: ignore[return-value]


def test_labels_of_the_items_that_changed_give_the_very_change_of_accuracy() -> None:
    labeled, bare = comparisons(Store())
    assert labeled.before.labels is not None
    items = disagreements(bare)
    assert 0 < items.size < bare.after.n
    subject = unlabeled(small_subject())
    store = Store()
    gates = read_gates(
        FEW + "gates: [{measure: accuracy_change, limit: -90}, {measure: negative_flips, limit: 1}]"
    )
    review = made(coarse(subject, store), gates, store, Asked(labels=labeled.before.labels[items]))
    assert review.judged[0].number == accuracy_change(labeled.before, labeled.after)
    assert review.judged[1].outcome is not Outcome.NOT_MEASURED
    assert review.model.has_labels == "file"
    kinds = {flip.item: flip.kind for flip in review.flips}
    assert kinds == dict(labeled.changed_items()[["item", "kind"]].itertuples(index=False))


def test_a_list_that_was_filled_in_is_read_back_by_name_and_by_number() -> None:
    labeled, bare = comparisons(Store())
    assert labeled.before.labels is not None
    names = ("a", "b", "c")
    split = small_subject().split("test")
    frame = disagreement_frame(bare, names, split)
    right = labeled.before.labels[disagreements(bare)]
    for said in ([names[label] for label in right], [str(label) for label in right]):
        filled = frame.assign(label=said).sample(frac=1, random_state=0).to_csv(index=False)
        assert read_labels(filled, bare, names, split).tolist() == right.tolist()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.iloc[1:], "leave out 1 of the"),
        (lambda frame: frame, "is '', which is no class"),
        (lambda frame: frame.assign(label="z"), "is 'z', which is no class"),
        (lambda frame: frame.assign(label="3"), "is '3', which is no class"),
        (lambda frame: pd.concat([frame, frame]).assign(label="a"), "stands twice"),
        (lambda frame: frame.assign(item="x", label="a"), "no number"),
        (lambda frame: frame.drop(columns="label"), r"the columns item \(or file_item\) and label"),
        (lambda frame: frame.assign(item=frame["item"].iloc[0] + 10**6).head(1), "both models agree"),
    ],
)
def test_labels_that_do_not_fit_are_refused(change: object, said: str) -> None:
    _, bare = comparisons(Store())
    names, split = ("a", "b", "c"), small_subject().split("test")
    text = change(disagreement_frame(bare, names, split)).to_csv(index=False)  # type: ignore[operator]
    with pytest.raises(Refused, match=said):
        read_labels(text, bare, names, split)


# The evidence as a file


def test_the_zip_holds_page_json_recipe_gates_packed_file_and_tables_that_say_of_what_they_are() -> None:
    subject, store = small_subject(), Store()
    model = coarse(subject, store)
    review = made(model, ON_CHURN, store)
    content = evidence_zip(review, model)
    assert evidence_zip(review, model) == content
    with zipfile.ZipFile(BytesIO(content)) as archive:
        names = set(archive.namelist())
        assert {"report.html", "report.json", "recipe.yaml", "gates.yaml", "model.slim"} <= names
        assert read_gates(archive.read("gates.yaml").decode()).sha == ON_CHURN.sha
        tables = sorted(name for name in names if name.endswith(".csv"))
        assert [name.rpartition("N60_")[2] for name in tables] == [
            *("classes.csv", "flip_cells.csv", "flips.csv", "gates.csv", "numbers.csv")
        ]
        for name in tables:
            frame = pd.read_csv(BytesIO(archive.read(name)))
            about = frame[["model", "recipe", "split", "items"]].drop_duplicates().to_numpy().tolist()
            assert about == [["tiny", model.recipe.sha, "test", 60]]


# The command


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="slimscope")


FINE, COARSE = ("--step", "fc1: uniform bits=8"), ("--step", "*: uniform bits=2")
PREPARED = {
    "pass.yaml": "gates: [{measure: accuracy_kept, limit: 0.5}, {measure: churn, limit: 0.5}]",
    "fail.yaml": "gates: [{measure: plain_file_bytes, limit: 1}, {measure: churn, limit: 0.5}]",
    "open.yaml": "gates: [{measure: accuracy_change, limit: -0.3}]",
    "missing.yaml": "gates: [{measure: subgroup_change, limit: -5}]",
    "advisory.yaml": "gates: [{measure: churn, limit: 0.5}, {measure: ece, limit: 0, required: false}]",
    "empty.yaml": "",
    "wrong.yaml": "gates: [{measure: charm, limit: 1}]",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in PREPARED.items():
        (tmp_path / name).write_text(FEW + text if text else text)
    return tmp_path


@pytest.mark.parametrize(
    ("gates", "more", "code"),
    [
        ("pass.yaml", (), 0),
        ("advisory.yaml", (), 0),
        ("fail.yaml", (), 1),
        ("fail.yaml", ("--allow-undecided",), 1),
        ("wrong.yaml", (), 2),
        ("nowhere.yaml", (), 2),
        ("pass.yaml", ("--split", "calibration_items"), 2),
        ("pass.yaml", ("--decision", "approve"), 2),
        ("pass.yaml", ("--out", "report.pdf"), 2),
        ("open.yaml", (), 3),
        ("open.yaml", ("--allow-undecided",), 0),
        ("missing.yaml", (), 3),
        ("missing.yaml", ("--allow-undecided",), 3),
        ("empty.yaml", ("--allow-undecided",), 3),
    ],
)
def test_the_command_ends_as_the_gates_say(
    folder: Path, gates: str, more: tuple[str, ...], code: int
) -> None:
    result = run("review", "tabular", *FINE, "--gates", gates, *more)
    assert result.exit_code == code, result.output


def test_the_report_lies_beside_its_json_and_verify_makes_it_again(folder: Path) -> None:
    wanted = ("--gates", "pass.yaml", "--reviewer", "Ada", "--decision", "approve")
    files = ("--out", "r.html", "--zip", "r.zip")
    assert run("review", "tabular", *FINE, *wanted, *files).exit_code == 0
    again = run("verify", "r.json")
    assert again.exit_code == 0, again.output
    assert "every seal is whole" in again.output
    said = json.loads((folder / "r.json").read_text())
    assert said["decision"]["reviewer"] == "Ada"
    said["judged"][0]["number"]["value"] += 0.01
    (folder / "r.json").write_text(json.dumps(said))
    differs = run("verify", "r.json")
    assert differs.exit_code == 1
    assert "judged.0.number.value" in differs.output


def test_an_approval_of_what_does_not_pass_needs_its_reason(folder: Path) -> None:
    signed = ("--reviewer", "Ada", "--decision", "approve", "--out", "r.html")
    for gates, code in (("open.yaml", 3), ("fail.yaml", 1)):
        wanted = ("review", "tabular", *FINE, "--gates", gates, *signed)
        refused = run(*wanted)
        assert refused.exit_code == 2
        assert "an approval against it needs its reason" in refused.stderr
        assert not (folder / "r.html").exists()
        assert run(*wanted, "--notes", "For the trial alone.", "--force").exit_code == code
        assert "For the trial alone." in (folder / "r.html").read_text()
        for name in ("r.html", "r.json"):
            (folder / name).unlink()


def test_the_command_in_the_report_makes_the_same_review_from_the_zip(folder: Path) -> None:
    run("review", "tabular", *COARSE, "--gates", "fail.yaml", "--zip", "r.zip", "--out", "r.html")
    with zipfile.ZipFile("r.zip") as archive:
        archive.extractall("unpacked")
    said = json.loads(Path("unpacked/report.json").read_text())
    shutil.copy("unpacked/recipe.yaml", "recipe.yaml")
    shutil.copy("unpacked/gates.yaml", "gates.yaml")
    command = said["circumstances"]["command"].split()
    assert command[:3] == ["slimscope", "review", "tabular"]
    result = run(*command[1:], "--json")
    again = json.loads(result.stdout)
    assert result.exit_code == 1
    assert again["judged"] == said["judged"]
    assert again["model"] == said["model"]
    assert read_packed_state(Path("unpacked/model.slim")).model == "tabular"


def test_verify_says_whether_a_file_beside_the_report_is_the_one_that_was_approved(folder: Path) -> None:
    signed = ("--reviewer", "Ada", "--decision", "approve")
    words = ("review", "tabular", *FINE, "--gates", "pass.yaml", "--to", "source")
    assert run(*words, *signed, "--zip", "r.zip").exit_code == 0
    with zipfile.ZipFile("r.zip") as archive:
        archive.extractall("unpacked")
    said = json.loads(Path("unpacked/report.json").read_text())
    listed = {file["name"]: file["sha256"] for file in said["files"]}
    assert list(listed) == ["model.safetensors", "model.slim", "model.py", "weights.safetensors"]
    assert said["decision"]["files"] == list(listed.values())
    assert said["circumstances"]["command"].endswith("--split test --to source")
    assert run("export", "tabular", *FINE, "--out", "unpacked").exit_code == 0
    assert run("apply", "tabular", *FINE, "--out", "applied").exit_code == 0
    shutil.copy("applied/model.safetensors", "unpacked/plain.safetensors")
    page = Path("unpacked/report.html").read_text()
    for name, digest in listed.items():
        assert f"<td>{name}</td>" in page
        assert digest in page
    for path in Path("unpacked").iterdir():
        if path.name in listed:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[path.name]
    same = run("verify", "unpacked/report.json")
    assert same.exit_code == 0, same.output
    for name in ("model.slim", "model.py", "weights.safetensors"):
        assert f"{name}: a file of the report, sha-256 {listed[name]}" in same.output
    assert "plain.safetensors: a file of the report, listed as model.safetensors" in same.output
    Path("unpacked/stranger.slim").write_bytes(b"other")
    assert run("verify", "unpacked/report.json").exit_code == 0, "what is called otherwise may be anything"
    slim = Path("unpacked/model.slim")
    slim.write_bytes(slim.read_bytes() + b"x")
    differs = run("verify", "unpacked/report.json")
    assert differs.exit_code == 1
    assert f"model.slim: not the file of the report, which lists sha-256 {listed['model.slim']}" in (
        differs.output
    )
    told = json.loads(run("verify", "unpacked/report.json", "--json").stdout)["files"]
    assert [each["listed_as"] for each in told if each["file"] in {"model.slim", "stranger.slim"}] == [
        None,
        None,
    ]


def test_a_report_lists_files_that_are_the_same_when_they_are_made_again() -> None:
    store = Store()
    model = coarse(small_subject(), store)
    review = made(model, ON_CHURN, store)
    assert review.files == files_of(model)
    assert [file.bytes for file in review.files] == [model.file_bytes, len(pack_bytes(model))]
    content = json.loads(json.dumps(sealed(review.as_json())))
    assert verified(content, small_subject(), Store()).other_bytes == ()
    content["files"][1]["sha256"] = "0" * 64
    forged = verified(content, small_subject(), Store())
    assert [each.path for each in forged.differences] == ["files.1.sha256"]
    assert forged.other_bytes == ("model.slim",)
    anew = sealed({name: value for name, value in content.items() if name != SEALS})
    resealed = verified(anew, small_subject(), Store())
    assert (resealed.differences, resealed.other_bytes) == ((), ("model.slim",))


TRAINING = ("--method", "distill", "--epochs", 1)


@pytest.mark.parametrize("recipe", [FINE, ()], ids=["recipe", "no recipe"])
def test_a_report_of_a_trained_model_names_its_recipe_and_its_training(
    folder: Path, recipe: tuple[str, ...]
) -> None:
    assert run("train", "tabular", *recipe, *TRAINING, "--out", "trained").exit_code == 0
    files = ("--out", "r.html", "--zip", "r.zip")
    told = run("review", "tabular", "--trained", "trained", "--gates", "pass.yaml", *files)
    lineage = read_lineage(json.loads(Path("trained/training.json").read_text())["lineage"])
    name, plan = name_of(lineage), as_text(lineage[-1].as_json())
    assert name.endswith(name_of(lineage[-1:]))
    assert f"recipe {name}; test split" in told.stdout
    assert "Validation items chose the epoch" not in told.stdout, "of one epoch nothing is chosen"
    page = Path("r.html").read_text()
    assert page.count(f" {name} · ") == page.count("</section>"), "in the header, in each language"
    assert page.count(escape(plan)) == page.count("</section>"), "and in Origin, with all of its plan"
    with zipfile.ZipFile("r.zip") as archive:
        archive.extractall("unpacked")
        tables = [each for each in archive.namelist() if each.endswith(".csv")]
    assert {each.split("_")[1] for each in tables} == {name_in_file_name(lineage)}
    assert {*pd.read_csv(Path("unpacked") / tables[0])["history"]} == {history_sha(lineage)}
    text = Path("unpacked/recipe.yaml").read_text()
    assert f"# This is a part of {name}, which" in text
    assert f"# {name_of(lineage[-1:])}: {plan}" in text.splitlines()
    assert run("train", "tabular", "unpacked/recipe.yaml", *TRAINING, "--out", "again").exit_code == 0
    weights = [Path(each, "trained.safetensors").read_bytes() for each in ("trained", "again")]
    assert weights[0] == weights[1], "recipe and training of the ZIP make the same model"
    verified = run("verify", "unpacked/report.json", "--trained", "trained")
    assert verified.exit_code == 0, verified.output


def test_a_report_says_which_items_chose_the_epoch_and_which_judge(folder: Path) -> None:
    run("train", "tabular", *FINE, "--method", "distill", "--epochs", 2, "--out", "trained")
    for split, sentence in (("test", EPOCH_CHOSEN_APART), ("validation", EPOCH_CHOSEN_HERE)):
        where = ("--trained", "trained", "--split", split, "--out", f"{split}.html")
        assert sentence in run("review", "tabular", *where).stdout
        page = Path(f"{split}.html").read_text()
        assert page.count(sentence) == page.count(speak("zh")(sentence)) == 1
        assert run("verify", f"{split}.json", "--trained", "trained").exit_code == 0
    assert "Validation items chose" not in run("review", "tabular", *FINE).stdout


def test_verify_refuses_what_is_no_report(folder: Path) -> None:
    for text in ("", "[]", "{}", '{"format": 1, "seals": {}}', "[" * 100_000):
        Path("no.json").write_text(text)
        assert run("verify", "no.json").exit_code == 2


def test_own_items_with_a_group_column_and_without_labels(folder: Path) -> None:
    from compress_core.loading.samples import load_sample

    subject = load_sample("tabular")
    raw = subject.input.raw(subject.split("test").inputs).numpy()
    np.savez("own.npz", inputs=raw, group=np.arange(len(raw)) % 3)
    listed = run(
        "review", "tabular", *COARSE, "--data", "own.npz", "--gates", "open.yaml", "--disagreements", "d.csv"
    )
    assert listed.exit_code == 3
    frame = pd.read_csv("d.csv")
    labels = subject.split("test").labels
    assert labels is not None
    frame["label"] = labels.numpy()[frame["item"]]
    frame.to_csv("filled.csv", index=False)
    told = run(
        *("review", "tabular", *COARSE, "--data", "own.npz", "--gates", "open.yaml"),
        *("--labels", "filled.csv", "--json", "--group-column", "group"),
    )
    found = json.loads(told.stdout)["judged"][0]["number"]
    direct = run("review", "tabular", *COARSE, "--gates", "open.yaml", "--json")
    assert found == json.loads(direct.stdout)["judged"][0]["number"]
    assert run("review", "tabular", *FINE, "--data", "own.npz", "--group-column", "none").exit_code == 2
    assert run("review", "tabular", *FINE, "--group-column", "group").exit_code == 2


def test_gates_are_shown_and_fixed_without_a_look(folder: Path) -> None:
    result = run("gates", "pass.yaml")
    assert result.exit_code == 0
    assert read_gates(FEW + PREPARED["pass.yaml"]).sha in result.output
    said = json.loads(run("gates", "--json").stdout)
    assert set(said["ready_made"]) == {
        "mlperf_99",
        "mlperf_999",
        "non_inferiority",
        "values_kept",
        "vectors_kept",
    }
    assert said["measures"]["churn"]["better"] == "lower"


def test_a_decision_needs_a_name_and_conditions_need_words() -> None:
    assert decided("", "", "").date == ""
    assert decided("Ada", "approve", "").date
    for reviewer, decision, notes in (("", "approve", ""), ("Ada", "maybe", ""), ("Ada", "conditions", " ")):
        with pytest.raises(Refused):
            decided(reviewer, decision, notes)
