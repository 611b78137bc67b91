"""A trained model is verified by the packed file beside its report, where its training is kept nowhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from compress_core.apply.model import Model
from compress_core.apply.run import compress, compressed_further
from compress_core.cli import app
from compress_core.deliver.packed_file import pack_bytes
from compress_core.deliver.same_bits import same_state
from compress_core.face.train_compressed import train
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.recipe.reading import parse_recipe
from compress_core.recipe.values import Step
from compress_core.reviews.evidence_files import content_of_report
from compress_core.reviews.gate_file import read_gates
from compress_core.reviews.made_again import verified
from compress_core.reviews.packed_beside import made_of_packed
from compress_core.training.packed_weights import weights_in_packed
from tests.subjects import loaded_sample, mlp_subject, rules
from tests.test_review import FEW, made

pytestmark = pytest.mark.slow

GATES = read_gates(
    FEW + "gates: [{measure: accuracy_change, limit: -5}, {measure: packed_file_bytes, limit: 9000}, "
    "{measure: plain_file_bytes, limit: 9000, required: false}]"
)
RECIPES: dict[str, Any] = {
    "pruned and coded": {"any": (Step.of("magnitude", sparsity=0.6), Step.of("uniform", bits=4))},
    "factored": {"fc2": (Step.of("low_rank", rank=2),)},
    "rounded inputs": {"any": (Step.of("uniform", bits=8), Step.of("static_range", bits=8))},
}


def trained_on(recipe: str, store: Store, *, times: int = 1) -> Model:
    """The table sample, compressed and trained for an epoch, once or more."""
    model = compress(loaded_sample("tabular"), rules(**RECIPES[recipe]), store)
    for seed in range(times):
        model = train(model, epochs=1, learning_rate=0.01, seed=seed, store=store).model
    return model


def report_of(model: Model, store: Store) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(content_of_report(made(model, GATES, store)))
    return content


def packed_at(folder: Path, model: Model) -> Path:
    (folder / "model.slim").write_bytes(pack_bytes(model))
    return folder / "model.slim"


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_training_that_is_kept_nowhere_is_verified_by_the_packed_file(recipe: str, tmp_path: Path) -> None:
    store = Store()
    model = trained_on(recipe, store)
    report, packed = report_of(model, store), packed_at(tmp_path, model)
    assert model.parent is not None
    weights = weights_in_packed(packed, model.parent)
    assert set(weights.inputs) == set(model.inputs)
    elsewhere = verified(report, loaded_sample("tabular"), Store(), packed=packed)
    assert elsewhere.differences == ()
    assert elsewhere.from_packed
    here = verified(report, loaded_sample("tabular"), store, packed=packed)
    assert (here.differences, here.from_packed, here.other_bytes) == ((), False, ())


def test_the_network_of_the_packed_file_is_the_one_that_was_evaluated(tmp_path: Path) -> None:
    store = Store()
    model = trained_on("factored", store, times=2)
    found = made_of_packed(packed_at(tmp_path, model), model.lineage, loaded_sample("tabular"), Store())
    assert found is not None
    assert found.model.key == model.key
    assert same_state(found.model.network().state_dict(), model.network().state_dict())


def test_another_packed_file_is_found_by_its_numbers_or_refused(tmp_path: Path) -> None:
    store = Store()
    model = trained_on("pruned and coded", store)
    report = report_of(model, store)
    assert model.parent is not None
    other = verified(report, loaded_sample("tabular"), Store(), packed=packed_at(tmp_path, model.parent))
    assert any(each.path.startswith("alike_sample.") for each in other.differences)
    strange = packed_at(tmp_path, Model.original(mlp_subject()))
    with pytest.raises(Refused, match="was made of another model"):
        verified(report, loaded_sample("tabular"), Store(), packed=strange)
    factored = packed_at(tmp_path, trained_on("factored", store))
    with pytest.raises(Refused, match="holds no weights that a training of Breast cancer table leaves"):
        verified(report, loaded_sample("tabular"), Store(), packed=factored)


def test_a_recipe_after_a_training_needs_the_training_itself(tmp_path: Path) -> None:
    store = Store()
    recipe = parse_recipe({"layers": [{"match": "fc1", "steps": [{"technique": "uniform", "bits": 8}]}]})
    model = compressed_further(trained_on("pruned and coded", store), recipe, store)
    with pytest.raises(Refused, match="The weights of this training are not in the workspace"):
        verified(
            report_of(model, store), loaded_sample("tabular"), Store(), packed=packed_at(tmp_path, model)
        )


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="slimscope")


def test_the_command_takes_the_packed_file_where_the_folder_of_the_training_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g.yaml").write_text(FEW + "gates: [{measure: accuracy_kept, limit: 0.5}]")
    pruned = ("--step", "*: magnitude sparsity=0.6")
    assert run("train", "tabular", *pruned, "--epochs", "1", "--out", "trained").exit_code == 0
    wanted = ("review", "tabular", "--trained", "trained", "--gates", "g.yaml", "--zip", "r.zip")
    assert run(*wanted).exit_code == 0
    shutil.unpack_archive("r.zip", "unpacked")
    shutil.rmtree("trained")
    found = run("verify", "unpacked/report.json")
    assert found.exit_code == 0, found.output
    assert "The weights of the training are those of model.slim." in found.output
    (tmp_path / "unpacked/model.slim").unlink()
    gone = run("verify", "unpacked/report.json")
    assert gone.exit_code == 2
    assert "holds no training" in gone.stderr
