"""The page Weights, drawn by Streamlit without a browser: hostile weights, what is cut and left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save
from streamlit.testing.v1 import AppTest

from compress_core.apply.lineage import compressed_by
from compress_core.recipe.values import ResolvedRecipe, Step
from dashboard import state
from tests.test_hostile_values import HOSTILE, NOT_FINITE
from tests.test_page_start import TUNE, _served, clicked, items_of, own_mlp, started, uploaded
from tests.test_pages import CUT, assert_fine, opened

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_items")]
served = _served  # pages as a server knows them


def texts(app: AppTest) -> str:
    return "\n".join(str(e.value) for e in [*app.warning, *app.info, *app.caption, *app.error])


@pytest.mark.parametrize("kind", ["nan", "infinite", "3e38", "scaled by 1e-45"])
def test_an_uploaded_model_with_hostile_weights_is_shown_and_its_other_layer_edited(kind: str) -> None:
    network = own_mlp()
    items = items_of(network, labeled=True)
    with torch.no_grad():
        HOSTILE[kind](network[0].weight)
    app = clicked(uploaded(started(), save(network.state_dict()), "hostile.safetensors", items), TUNE)
    view = app.session_state[state.KEY]
    recipe = ResolvedRecipe((("2", (Step.of("magnitude", sparsity=0.5),)),))
    app.session_state[state.KEY] = replace(view, layer="0", lineage=compressed_by(recipe))
    assert_fine(app.switch_page("pages/weights.py").run())
    said = f"0 holds {NOT_FINITE.get(kind, 0)} of"
    assert (said in texts(app)) == (kind in NOT_FINITE)
    assert "pruned" in texts(app)


def test_cut_weights_and_dropped_blocks_are_said_and_no_cell_says_none() -> None:
    app = opened("weights", "resnet", CUT)
    for name, said in (("conv1", "were cut out with their channels"), ("layer2.conv1", "is left out")):
        app.selectbox(key=next(s.key for s in app.selectbox if s.key.startswith("weights.layer"))).select(
            name
        )
        assert_fine(app.run())
        assert said in texts(app)
    assert "Left out with their block" in texts(app)
    table = app.dataframe[0].value
    assert not table.isna().any().any()
    assert "layer2.conv1" not in set(table["layer"])


def test_a_page_without_a_model_says_on_start_that_one_is_needed() -> None:
    app = started().switch_page("pages/weights.py").run()
    assert not app.exception
    (said,) = [warning.value for warning in app.warning]
    assert said.startswith("Choose a model first")
