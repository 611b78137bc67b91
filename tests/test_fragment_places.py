"""What asks again by itself leaves the rest of the page alone: it draws in its own place or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit import delta_generator
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block

from compress_core.foundation.number import Number
from dashboard import engine
from dashboard.header_numbers import Freshness, HeaderNumbers
from dashboard.links import encoded
from dashboard.number_strip import Known

ROOT = Path(__file__).parent.parent
SIZE = Number(1.0, "bytes", "exact")


def opened(share: float) -> AppTest:
    """Tune with tabular, pruned by a share that no other test asks for."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["m"] = "tabular"
    app.query_params["r"] = encoded([["fc1", [{"technique": "magnitude", "sparsity": share}]]])
    return app.run().switch_page("pages/tune.py").run()


def _numbers(freshness: Freshness) -> HeaderNumbers:
    return HeaderNumbers("model", "subject", True, {}, 9, 99, freshness)


QUICK, EXACT = _numbers(Freshness.QUICK), _numbers(Freshness.EXACT)


@pytest.mark.parametrize(
    ("before", "after", "is_news"),
    [
        (Known(True, None, None), Known(True, None, None), False),
        (Known(True, None, QUICK), Known(True, None, QUICK), False),
        (Known(True, None, None), Known(True, SIZE, None), True),
        (Known(True, None, None), Known(True, None, QUICK), True),
        (Known(True, SIZE, _numbers(Freshness.STALE)), Known(True, SIZE, QUICK), True),
        (Known(True, SIZE, QUICK), Known(True, SIZE, EXACT), True),
    ],
)
def test_a_page_is_drawn_anew_for_each_number_that_came_and_only_then(
    before: Known, after: Known, is_news: bool
) -> None:
    assert after.is_more_than(before) is is_news


def test_nothing_more_is_awaited_once_both_numbers_are_exact_or_there_are_no_items() -> None:
    assert Known(True, SIZE, EXACT).is_all
    assert Known(False, SIZE, None).is_all
    assert not Known(True, None, EXACT).is_all
    assert not Known(True, SIZE, QUICK).is_all
    assert not Known(False, None, None).is_all


@pytest.mark.slow
def test_a_fragment_writes_nowhere_but_in_its_own_place(monkeypatch: pytest.MonkeyPatch) -> None:
    wrapped: list[Any] = []
    wrapper = delta_generator._get_or_create_outside_wrapper

    def noted(place: Any, *others: Any) -> Any:
        wrapped.append(place)
        return wrapper(place, *others)

    monkeypatch.setattr(delta_generator, "_get_or_create_outside_wrapper", noted)
    _never_ready(monkeypatch)
    app = opened(0.315)
    assert not app.exception
    assert wrapped == []


@pytest.mark.slow
def test_the_layer_table_stands_in_one_place_whether_or_not_its_errors_are_awaited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = _first_of_left_column(opened(0.316))
    _never_ready(monkeypatch)
    assert _first_of_left_column(opened(0.317)) == measured == "bidi_component"


def _first_of_left_column(app: AppTest) -> str:
    """What kind of thing stands on top beside the knobs."""
    first: Any = next(iter(app.columns[0].children.values()))
    return "block" if isinstance(first, Block) else str(first.type)


def _never_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that takes a moment has come."""
    for name in ("evaluated_within", "outputs_measured_within"):
        monkeypatch.setattr(engine, name, lambda *_: False)
    monkeypatch.setattr(engine, "packed_size_if_known", lambda _: None)
