"""What the table of all models says in words, and how wide it is."""

from __future__ import annotations

import pandas as pd
import pytest

from dashboard.done_words import done_in_words
from dashboard.figures.lineage_tree import lineage_tree
from dashboard.figures.measures import Measure, measures
from dashboard.number_table import width_of
from dashboard.text import use_language
from dashboard.trade_offs.model_list import ROOM_PX, _columns, _silent, first_told, fitting


@pytest.mark.parametrize(
    ("what", "english", "chinese"),
    [
        ("", "", ""),
        ("magnitude sparsity=0.9 fc1", "Magnitude (Sparsity 0.9) fc1", "幅值剪枝 (稀疏度 0.9) fc1"),
        (
            "magnitude sparsity=0.3..0.69 ×2 + uniform bits=4 blocks.0.fc1 → fine_tune epochs=3",
            "Magnitude (Sparsity 0.3..0.69) ×2 + Uniform (Bits 4) blocks.0.fc1 → Fine tune (Epochs 3)",
            "幅值剪枝 (稀疏度 0.3..0.69) ×2 + 均匀量化 (位宽 4) blocks.0.fc1 → 微调 (轮数 3)",
        ),
        (
            "magnitude scope=layer|network ×2",
            "Magnitude (Scope Layer|Network) ×2",
            "幅值剪枝 (范围 层|网络) ×2",
        ),
        ("magnitude sparsity=0.9 a=b", "Magnitude (Sparsity 0.9) a=b", "幅值剪枝 (稀疏度 0.9) a=b"),
        (
            "distill temperature=4.0 feature_layers=head, patch_embed epochs=3",
            "Distill (Temperature 4.0, Feature layers head, patch_embed, Epochs 3)",
            "蒸馏 (温度 4.0, 特征层 head, patch_embed, 轮数 3)",
        ),
        (
            "distill feature_layers=head epochs=3",
            "Distill (Feature layers head, Epochs 3)",
            "蒸馏 (特征层 head, 轮数 3)",
        ),
        ("magnitude scope=network fc1", "Magnitude (Scope Network) fc1", "幅值剪枝 (范围 网络) fc1"),
        (
            "of_another_release power=2 fc1",
            "of_another_release power=2 fc1",
            "of_another_release power=2 fc1",
        ),
    ],
)
def test_what_was_done_is_said_as_pages_call_it(what: str, english: str, chinese: str) -> None:
    assert done_in_words(what) == english
    with use_language("zh"):
        assert done_in_words(what) == chinese


def test_a_column_is_as_wide_as_its_longest_text_within_bounds() -> None:
    assert width_of([], 100, 500) == width_of(["short"], 100, 500) == 100
    assert 300 < width_of(["a" * 45, "b"], 100, 500) < 400
    assert width_of(["准" * 22], 100, 500) == width_of(["a" * 44], 100, 500)
    assert width_of(["a" * 999], 100, 500) == 500


def test_columns_that_say_nothing_of_any_model_take_no_room() -> None:
    models = pd.DataFrame({"runs": [1, 1], "tags": [(), ()], "note": ["", ""]})
    assert _silent(models) == ["runs", "tags", "note"]
    for name, said in (("runs", 2), ("tags", ("small",)), ("note", "loses the sevens")):
        assert name not in _silent(models.assign(**{name: [models[name][0], said]}))


def test_the_tree_of_models_says_in_the_pages_words_what_the_file_says_in_the_cores() -> None:
    models = pd.DataFrame(
        {
            "key": ["root", "made"],
            "parent": ["", "root"],
            "label": ["original", "1a2b"],
            "what": ["", "magnitude sparsity=0.9 fc1"],
            "accuracy": [0.9, 0.8],
        }
    )
    measure = Measure("accuracy", "Accuracy", "share", "higher")
    drawn = lineage_tree(models, measure, said=[done_in_words(what) for what in models["what"]])
    assert "Magnitude (Sparsity 0.9) fc1" in str(drawn.figure.to_dict())
    assert drawn.table["operation"].tolist() == ["", "magnitude sparsity=0.9 fc1"]


def test_a_window_of_a_laptop_has_room_for_the_table_and_the_most_wanted_numbers_come_first() -> None:
    models = pd.DataFrame(
        {"label": ["original"], "what": [""], "runs": [1], "tags": [()], "note": [""], "n": [6000]}
    )
    offered = measures()
    shown = fitting(models, offered, ("macs", "accuracy", *first_told()))
    assert (
        {"macs", "accuracy", "packed_bytes"}
        <= {measure.name for measure in shown}
        < {m.name for m in offered}
    )
    assert [measure for measure in offered if measure in shown] == list(shown), "in their order"
    columns = _columns(shown, models)
    there = [column["width"] for name, column in columns.items() if name not in _silent(models)]
    assert sum(there) <= ROOM_PX
    long = models.assign(label="a" * 90, what="magnitude sparsity=0.9 fc1 " * 9)
    assert {"macs", "accuracy"} <= {m.name for m in fitting(long, offered, ("macs", "accuracy"))}


def test_the_headlines_of_every_task_and_their_changes_come_before_other_numbers() -> None:
    assert first_told()[:4] == ("packed_bytes", "size_ratio", "accuracy", "accuracy_change")
    assert {"churn", "mean_absolute_error", "error_change", "answer_shift"} <= {*first_told()}
