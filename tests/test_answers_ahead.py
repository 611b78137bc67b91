"""What an item would be answered at other places of a knob is what it is answered once the knob was there."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page

from compress_core.apply.groups_needed import NeededGroups
from compress_core.apply.lineage import recipe_of, with_recipe
from compress_core.apply.model import Model
from compress_core.apply.run import model_of
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import predict
from compress_core.recipe.edit import in_order, with_step
from compress_core.recipe.values import Step
from compress_core.techniques.contract.technique import Stage
from dashboard import long_searches
from dashboard.item_bars import item_bars as component
from dashboard.item_bars.item_bars import AnswersAhead, ItemBars
from dashboard.long_searches import GroupsNotFoundError
from dashboard.tune.answers_ahead import _Work
from dashboard.tune.knob_of_layer import KnobPlaces, spread
from dashboard.view import View
from tests.one_tab import as_new
from tests.subjects import loaded_sample

STORE = Store()
MAGNITUDE = KnobPlaces(
    Stage.PRUNE,
    (0.0, 0.5, 1.0),
    lambda share: f"{share:.0%}",
    lambda _before, share: Step.of("magnitude", sparsity=share) if share else None,
)

AWRY = KnobPlaces(Stage.PRUNE, (0.31,), str, lambda _before, share: Step.of("magnitude", sparsity=share))


@pytest.mark.parametrize(("name", "layer"), [("lenet300", "fc1"), ("tabular", "fc1")])
def test_answers_ahead_are_those_of_the_recipe_that_the_knob_would_lead_to(name: str, layer: str) -> None:
    subject = loaded_sample(name)
    split = subject.split("validation").first(8)
    lineage = with_recipe((), recipe_of(()))
    view = View(name, lineage, layer)
    model = model_of(subject, lineage, STORE)
    found = _Work(view, model, split, 5, {"knob": MAGNITUDE}).done()["knob"]
    assert list(found) == [0.0, 0.5, 1.0]
    for share, shares in found.items():
        step = Step.of("magnitude", sparsity=share) if share else None
        recipe = in_order(with_step(view.recipe, [layer], Stage.PRUNE, step), list(subject.by_name))
        moved = model_of(subject, with_recipe(lineage, recipe), STORE)
        assert np.allclose(shares, predict(moved, split, STORE).probabilities[5], atol=1e-4)


def test_a_place_that_is_refused_is_left_out() -> None:
    subject = loaded_sample("lenet300")
    model = Model.original(subject)
    far = KnobPlaces(Stage.QUANTIZE, (4.0, 99.0), str, lambda _b, bits: Step.of("uniform", bits=int(bits)))
    split = subject.split("validation").first(2)
    work = _Work(View("lenet300", (), "fc1"), model, split, 0, {"knob": far})
    assert list(work.done()["knob"]) == [4.0]


def test_places_whose_groups_are_not_found_yet_are_not_worked_out_and_not_taken_for_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = loaded_sample("lenet300")
    needed = NeededGroups(subject, (), (), subject)

    def refuse(*_given: object) -> None:
        raise GroupsNotFoundError(needed)

    monkeypatch.setattr(long_searches, "refuse_long_search", refuse)
    split = subject.split("validation").first(3)
    work = _Work(View("lenet300", (), "fc1"), Model.original(subject), split, 0, {"knob": AWRY})
    with pytest.raises(GroupsNotFoundError, match="not known yet"):
        work.done()


def test_places_are_spread_from_the_first_to_the_last() -> None:
    assert spread([2, 3, 32]) == (2.0, 3.0, 32.0)
    many = spread(list(range(501)))
    assert (len(many), many[0], many[-1]) == (11, 0.0, 500.0)


def test_a_class_without_a_finite_probability_has_no_bar_and_the_sentence_says_so() -> None:
    before, after = np.array([0.9, 0.1]), np.array([np.nan, np.nan])
    written = ItemBars(["a", "b"], before, after, {}).as_json()
    assert written["after"] == {
        "said": "Compressed: no probabilities, its outputs are not finite.",
        "shares": [None, None],
        "texts": ["", ""],
    }


LOAD = """async (source) => {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const { default: mount } = await import(address);
    window.receive = (data) => void mount({ parentElement: document.body, data });
    window.knob = (id, value, isElsewhere) => document.dispatchEvent(
        new CustomEvent("slimscope-knob", { detail: { id, value, isElsewhere } }));
}"""
WORDS = {
    "title": "t",
    "before": "o",
    "after": "c",
    "stale": "stale",
    "here": "at {place}",
    "nearest": "near {place}",
}


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_bars_follow_the_knob_by_the_nearest_answer_and_are_stale_where_none_is_known(
    shared_tab: Page,
) -> None:
    table = AnswersAhead([0.0, 0.5], ["0 %", "50 %"], [np.array([0.9, 0.1]), np.array([0.2, 0.8])])
    bars = ItemBars(["one", "two"], np.array([0.9, 0.1]), np.array([0.9, 0.1]), {"prune": table})
    with as_new(shared_tab, 1280, 720) as page:
        page.evaluate(LOAD, component.JAVASCRIPT)
        page.evaluate("receive", bars.as_json() | {"words": WORDS})
        seen = "() => ['.state', '.said'].map(part => document.querySelector(part).textContent)"
        settled = page.evaluate(seen)
        page.evaluate("knob('prune', 0.5, true)")
        assert page.evaluate(seen) == ["at 50 %", "Original: one with 90.0 %. Compressed: two with 80.0 %."]
        page.evaluate("knob('prune', 0.4, true)")
        assert page.evaluate(seen)[0] == "near 50 %"
        page.evaluate("knob('prune', 0, false)")
        assert page.evaluate(seen) == settled
        page.evaluate("knob('bits', 4, true)")
        assert page.evaluate(seen) == ["stale", settled[1]]
        assert page.locator(".item-bars.stale").count() == 1
