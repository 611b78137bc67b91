"""All quantizers side by side say what each of them really does."""

from __future__ import annotations

import pytest

from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.measure.tables.quantizer_rows import quantizer_rows
from compress_core.recipe.values import Recipe, ResolvedRecipe, Rule, Step
from compress_core.techniques.contract.technique import Stage, techniques
from tests.subjects import mlp_subject, rules, with_calibration


@pytest.mark.parametrize("bits", [2, 4])
def test_a_row_is_what_the_quantizer_gives_on_the_pruned_weights(bits: int) -> None:
    subject, store = with_calibration(mlp_subject()), Store()
    pruned = Step.of("magnitude", sparsity=0.4)
    plain = compress(subject, rules(fc1=pruned), store)
    rows = quantizer_rows(subject, plain.recipe, "fc1", bits, store)
    assert {row.technique for row in rows} == {
        n for n, t in techniques().items() if t.stage is Stage.QUANTIZE
    }
    reference = plain.values("fc1").double()
    for row in rows:
        compressed = compress(
            subject, rules(fc1=(pruned, Step.of(row.technique, bits=bits))), store
        ).compressed["fc1"]
        lost = (compressed.values.double() - reference).square().sum() / reference.square().sum()
        assert row.bytes == compressed.bits.total / 8
        assert row.error == pytest.approx(float(lost), rel=1e-6, abs=1e-12)
    errors = [row.error for row in rows]
    assert errors == sorted(errors)


def test_a_quantizer_that_cannot_serve_says_why_and_stands_last() -> None:
    rows = quantizer_rows(mlp_subject(), ResolvedRecipe(()), "fc1", 4, Store())
    assert rows[-1].technique == "gptq"
    assert "calibration" in str(rows[-1].refused)
    assert rows[-1].error is None


def test_a_cut_layer_is_judged_by_its_smaller_weights() -> None:
    subject, store = with_calibration(mlp_subject()), Store()
    cut = Rule("fc1", (Step.of_group("magnitude", share_removed=0.5),))
    model = compress(subject, Recipe(groups=(cut,)), store)
    row = next(
        r for r in quantizer_rows(model.base, model.recipe, "fc2", 8, store) if r.technique == "uniform"
    )
    assert row.bytes == 7 * 4 + 7 * 4
