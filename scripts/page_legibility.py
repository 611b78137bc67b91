"""What of a page in a browser is hard to read, and which control has no name.

A text is judged against the pixels that really lie behind it: all texts are made clear, a picture is taken,
and each color is laid over what is seen in its place, so that pictures, gradients, bars of a chart and what a
popover covers count. Contrast is that of WCAG 2.2 (1.4.3 and 1.4.11).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page

TEXTS = (Path(__file__).parent / "visible_texts.js").read_text(encoding="utf-8")
LEAST: Mapping[str, float] = {"text": 4.5, "icon": 3.0}
BEHIND = 0.2  # of the pixels behind a text may be worse: edges, and lines of a grid
SETTLING_MS = 300  # what hangs over a page finds its new place, and what fades in is there
TALLEST = 12_000  # pixels
CONTROLS = frozenset({
    "button", "checkbox", "combobox", "link", "listbox", "menuitem", "option", "radio", "searchbox", "slider",
    "spinbutton", "switch", "tab", "textbox",
})  # fmt: skip
_CLEAR = """
*, *::before, *::after, ::placeholder {
  color: transparent !important;
  -webkit-text-fill-color: transparent !important;
  text-shadow: none !important;
  caret-color: transparent !important;
  transition: none !important;
}
svg text, svg tspan { fill: transparent !important; stroke: transparent !important; }
"""


@dataclass(frozen=True)
class FaintText:
    """A text, what kind it is, and its contrast to what lies behind it."""

    text: str
    kind: str
    contrast: float


@dataclass(frozen=True)
class Legibility:
    """What was looked at in one state of a page: texts that are too faint, controls without a name."""

    texts: int
    inactive: int
    faint: tuple[FaintText, ...]
    controls: int
    unnamed: tuple[str, ...]


def legibility_of(page: Page) -> Legibility:
    """Look at all that a page shows now; it is made as high as its content for the time of the look."""
    size = page.viewport_size or {"width": 1366, "height": 768}
    page.set_viewport_size({"width": size["width"], "height": _height(page)})
    page.wait_for_timeout(SETTLING_MS)
    try:
        texts: list[dict[str, Any]] = page.evaluate(TEXTS)
        behind = _without_texts(page)
    finally:
        page.set_viewport_size(size)
    judged = [(said, _contrast(said, behind)) for said in texts if said["kind"] in LEAST]
    faint = [
        FaintText(said["text"], said["kind"], round(found, 2))
        for said, found in judged
        if found < LEAST[said["kind"]]
    ]
    controls = list(controls_of(page))
    return Legibility(
        texts=len(judged),
        inactive=len(texts) - len(judged),
        faint=tuple(dict.fromkeys(faint)),
        controls=len(controls),
        unnamed=tuple(role for role, name in controls if not name),
    )


def _height(page: Page) -> int:
    needed = page.evaluate(
        "() => Math.max(innerHeight, ...[document.documentElement, ...document.querySelectorAll("
        "'[data-testid=stMain]')].map(one => one.scrollHeight))"
    )
    return min(TALLEST, int(needed))


def _without_texts(page: Page) -> NDArray[np.uint8]:
    """The page as a picture [height, width, 3] in which every text is clear."""
    style = page.add_style_tag(content=_CLEAR)
    try:
        content = page.screenshot(animations="disabled", scale="css", timeout=120_000)
    finally:
        style.evaluate("element => element.remove()")
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def _contrast(said: Mapping[str, Any], behind: NDArray[np.uint8]) -> float:
    """Contrast of a text to all but the worst fifth of the pixels behind it."""
    pixels = np.concatenate([*(_part(behind, box) for box in said["boxes"])])
    if not len(pixels):
        return float("inf")
    ground = pixels.astype(np.float64)
    text = said["opacity"] * np.asarray(said["color"], np.float64) + (1 - said["opacity"]) * ground
    return float(np.quantile(_ratio(text, ground), BEHIND))


def _part(picture: NDArray[np.uint8], box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    """The pixels [n, 3] of a box (left, top, width, height)."""
    left, top, width, height = box
    rows = slice(max(0, round(top)), max(0, round(top + height)))
    columns = slice(max(0, round(left)), max(0, round(left + width)))
    return picture[rows, columns].reshape(-1, 3)


def _ratio(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Contrast ratios [n] of colors [n, 3] with channels from 0 to 255."""
    light, dark = (function(_luminance(one), _luminance(other)) for function in (np.maximum, np.minimum))
    ratios: NDArray[np.float64] = (light + 0.05) / (dark + 0.05)
    return ratios


def _luminance(colors: NDArray[np.float64]) -> NDArray[np.float64]:
    shares = colors / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    found: NDArray[np.float64] = linear @ np.array([0.2126, 0.7152, 0.0722])
    return found


def controls_of(page: Page) -> Iterator[tuple[str, str]]:
    """Role and name of every control, as a screen reader is told."""
    session = page.context.new_cdp_session(page)
    tree = session.send("Accessibility.getFullAXTree")
    session.detach()
    for node in tree["nodes"]:
        if not node["ignored"] and node["role"]["value"] in CONTROLS:
            yield node["role"]["value"], str(node.get("name", {}).get("value", "")).strip()
