"""The header: one box for each number, and each says of which items and of which recipe it is."""

from __future__ import annotations

import re
import tomllib
from concurrent.futures import wait
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from compress_core.apply.model import Model
from compress_core.deliver.packed_file import pack_bytes
from compress_core.deliver.packed_size import is_packed, packed_size
from compress_core.face.network_addresses import is_of_this_machine
from compress_core.foundation.store import Store
from dashboard import engine, header, header_numbers, number_strip, state
from dashboard.header_numbers import Freshness, HeaderNumbers
from dashboard.linked_choices import linked_choices, take_over_choices
from dashboard.links import encoded
from dashboard.undo import undone
from dashboard.view import View
from tests.header_boxes import box_labels, header_text
from tests.subjects import loaded_sample

ROOT = Path(__file__).parent.parent
SECONDS = 90


def opened(share: float = 0.0, page: str = "", **link: str) -> AppTest:
    """A page with lenet300, pruned by so much."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=SECONDS)
    steps = [["fc2", [{"technique": "magnitude", "sparsity": share}]]] if share else None
    for name, value in {"m": "lenet300", "r": encoded(steps), **link}.items():
        app.query_params[name] = value
    return (app.switch_page(f"pages/{page}.py") if page else app).run()


def label_with(app: AppTest, word: str) -> str:
    (found,) = [label for label in box_labels(app) if label.startswith(word)]
    return found


@pytest.mark.parametrize("freshness", Freshness)
@pytest.mark.parametrize("items", [1000, 6000])
def test_only_numbers_of_all_items_of_this_recipe_stand_under_the_bare_heading(
    freshness: Freshness, items: int
) -> None:
    caption = HeaderNumbers("model", "subject", True, {}, items, 6000, freshness).caption("Accuracy")
    bare = f"Accuracy on validation, N = {items:,}"
    assert caption.startswith(bare)
    assert (caption == bare) == (freshness is Freshness.EXACT)


def test_packed_size_is_that_of_the_file_and_made_once() -> None:
    model, store = Model.original(loaded_sample("tabular")), Store()
    assert not is_packed(model, store)
    size = packed_size(model, store)
    assert (size.value, size.unit, size.kind) == (len(pack_bytes(model)), "byte", "measured")
    assert is_packed(model, store)
    assert packed_size(model, store) is size


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("http://127.0.0.1:8501/tune", True),
        ("http://127.9.9.9/", True),
        ("http://localhost:8501/", True),
        ("http://slimscope.localhost/", True),
        ("http://[::1]:8501/explain?m=vit", True),
        ("http://0.0.0.0:8501", True),
        ("https://models.example.org/tune", False),
        ("http://192.168.1.20:8501/tune", False),
        ("http://localhost.example.org/", False),
        ("", False),
    ],
)
def test_an_address_that_leads_every_machine_to_itself_is_told_from_others(
    address: str, is_own: bool
) -> None:
    assert is_of_this_machine(urlsplit(address).hostname or "") == is_own


def test_choices_of_a_link_come_back_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    session: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", session)
    link = {"item": "7", "method": "saliency", "present": "1"}
    take_over_choices(link)
    assert linked_choices() == link
    take_over_choices({"m": "lenet300"})
    assert linked_choices() == {"item": "", "method": "", "present": ""}, "what was left out is as at first"


@pytest.mark.parametrize("item", ["-1", "1e3", "²", "٣", "99999999999", "7 ", "", "nan"])
def test_an_item_that_is_no_plain_number_is_left_out(item: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    take_over_choices({"item": item, "method": "../x", "present": "yes"})
    assert linked_choices() == {"item": "", "method": "", "present": ""}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_scrolls_below_the_header_is_covered_in_the_color_of_the_page(scheme: str) -> None:
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    sheet = (ROOT / "dashboard" / "page_style.css").read_text(encoding="utf-8")
    found = re.search(r"light-dark\((#\w+), (#\w+)\)", sheet)
    assert found is not None
    assert found[1 if scheme == "light" else 2].upper() == theme[scheme]["backgroundColor"]


def test_two_presses_of_undo_before_the_page_is_drawn_are_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [View("lenet300", ("third",), "fc1", past=((), ("second",)))]  # type: ignore[arg-type]
    monkeypatch.setattr(state, "current", lambda: kept[-1])
    monkeypatch.setattr(state, "keep", kept.append)
    header._step(undone)
    header._step(undone)
    assert (kept[-1].lineage, kept[-1].past) == ((), ())


@pytest.mark.slow
def test_each_number_has_one_box_while_it_is_quick_and_when_it_is_exact() -> None:
    app = opened(share=0.52)
    assert [label.split("**")[0].split(" on ")[0].strip() for label in box_labels(app)] == [
        "Model",
        "Recipe",
        "Plain file",
        "Packed file",
        "Accuracy",
        "Churn",
        "Share",
    ]
    assert re.fullmatch(
        r"Accuracy on validation, N = 6,000 \*\*\d+\.\d+ % · [+-]\d+\.\d+ points \[.+, .+\]\*\*",
        label_with(app, "Accuracy"),
    )
    assert re.fullmatch(
        r"Churn on validation, N = 6,000 \*\*\d+\.\d+ % \[[\d., ]+\]\*\*", label_with(app, "Churn")
    )


@pytest.mark.slow
def test_numbers_of_the_recipe_before_are_marked_as_stale_until_there_are_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = opened(share=0.53)
    exact = label_with(app, "Accuracy")
    monkeypatch.setattr(number_strip.NumberStrip, "fill", lambda _: None)
    monkeypatch.setattr(engine, "AT_ONCE_S", 0)
    monkeypatch.setattr(engine, "PATIENCE_S", 0)
    app.session_state[state.KEY] = _pruned_by(app.session_state[state.KEY], 0.54)
    app.run()
    stale = label_with(app, "Accuracy")
    assert "N = 6,000 · stale" in stale
    assert f"***{exact.split('**')[1]}***" in stale, "what stands there is the value of before, in italics"
    assert "Packed file **…**" in box_labels(app), "bytes of another recipe never stand there"


@pytest.mark.parametrize("others", [False, True])
def test_the_first_new_accuracy_stands_before_that_of_all_items_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, others: bool
) -> None:
    happened: list[object] = []

    def not_within(seconds: float, *_asked: object) -> bool:
        happened.append(seconds)
        return False

    monkeypatch.setattr(engine, "evaluated_within", not_within)
    monkeypatch.setattr(engine, "others_wait", lambda: others)
    monkeypatch.setattr(header_numbers, "_quick", lambda *_: "of the first items")
    model = Model.original(loaded_sample("lenet300"))
    assert header_numbers.within_patience(model, happened.append) == "of the first items"
    drawn = [] if others else ["of the first items"]
    assert happened == [engine.AT_ONCE_S, *drawn, engine.PATIENCE_S]


def _pruned_by(view: View, share: float) -> View:
    from compress_core.apply.lineage import with_recipe
    from compress_core.recipe.values import ResolvedRecipe, Step

    recipe = ResolvedRecipe((("fc2", (Step.of("magnitude", sparsity=share),)),))
    return view.moved(with_recipe(view.lineage, recipe))


def _model(app: AppTest) -> Model:
    from compress_core.apply.run import model_of

    view = app.session_state[state.KEY]
    return model_of(engine.sample(view.model), view.lineage, engine.store())


@pytest.mark.slow
def test_a_recipe_that_rests_is_packed_and_its_own_bytes_stand_beside_those_of_the_plain_file() -> None:
    app = opened(share=0.55)
    assert label_with(app, "Packed file") == "Packed file **…**"
    app.run()
    wait([over for _, over in engine.packing()._newest.values()], SECONDS)
    app.run()
    with_bytes = label_with(app, "Packed file")
    packed = packed_size(_model(app), engine.store()).value
    assert f"{packed:,.0f}" in header_text(app)
    assert with_bytes != "Packed file **…**"


@pytest.mark.slow
def test_a_link_carries_item_and_method_of_explain_and_whether_it_is_presented() -> None:
    app = opened(page="explain", share=0.52, item="7", method="saliency", present="1")
    assert not app.exception
    assert app.number_input(key="explain.item").value == 7
    (link,) = [code.value for code in app.code if "m=lenet300" in code.value]
    assert {"item=7", "method=saliency", "present=1"} <= set(link.split("?")[1].split("&"))
    app.toggle(key="slimscope.present.choice").set_value(False).run()
    (link,) = [code.value for code in app.code if "m=lenet300" in code.value]
    assert "present" not in link


@pytest.mark.slow
def test_the_link_is_of_the_recipe_that_stands_beside_it() -> None:
    """The address in the browser follows when the page has run; the box is drawn before."""
    app = opened(share=0.52)
    before = next(code.value for code in app.code if "m=lenet300" in code.value)
    app.session_state[state.KEY] = _pruned_by(app.session_state[state.KEY], 0.56)
    app.run()
    after = next(code.value for code in app.code if "m=lenet300" in code.value)
    assert before != after


@pytest.mark.slow
def test_every_control_of_the_header_has_a_name() -> None:
    app = opened()
    assert all(re.search(r"\w", label) for label in box_labels(app))
    assert {app.button(key=key).label for key in ("slimscope.undo", "slimscope.redo")} == {"Undo", "Redo"}


def _drawn_anew_once() -> None:
    import streamlit as st

    from dashboard import state

    state.bring_back_notice()
    if "begun" not in st.session_state:
        state.notice("Said once.")
    st.markdown(state.taken_notice() or "Nothing.")
    if "begun" not in st.session_state:
        st.session_state["begun"] = True
        st.rerun()
    state.notice_was_told()


def test_what_was_said_in_a_run_that_is_begun_anew_is_said_by_the_next_and_then_no_more() -> None:
    app = AppTest.from_function(_drawn_anew_once).run()
    assert [each.value for each in app.markdown] == ["Said once."]
    assert [each.value for each in app.run().markdown] == ["Nothing."]


def _said_beside() -> None:
    import streamlit as st

    from dashboard import state
    from dashboard.refused_here import notice_beside

    state.bring_back_notice()
    st.text(state.taken_notice() or "Nothing on top.")
    for key in ("here", "there"):
        if key == st.session_state.get("drawn", key):
            st.button(key, key=key, on_click=state.notice, args=(f"Not {key}", key))
            notice_beside(key)
    state.notice_was_told()


def test_what_was_refused_is_said_beside_what_was_pressed_or_on_top_where_that_is_gone() -> None:
    app = AppTest.from_function(_said_beside).run()
    app.button(key="there").click().run()
    assert [getattr(one, "label", "") or one.value for one in list(app.main)[1:]] == [
        *("Nothing on top.", "here", "there", "Not there")
    ]
    assert not app.run().warning
    app.button(key="there").click()
    app.session_state["drawn"] = "here"
    assert not app.run().warning
    assert app.run().text[0].value == "Not there"
    assert app.run().text[0].value == "Nothing on top."
