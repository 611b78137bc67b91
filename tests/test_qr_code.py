"""A QR code is the link's own, black on white, with room around it."""

from __future__ import annotations

import re

import pytest
import segno

from dashboard.qr_code import QUIET_ZONE, QrCode, qr_code

LINK = "http://192.168.1.20:8501/learn?lesson=smallest_weights&lang=zh&key=a-word_of-16-sig&class=badogelimo"
_MOVE = re.compile(r"([Mmh])(-?[\d.]+) ?(-?[\d.]+)?")


def found(link: str) -> QrCode:
    code = qr_code(link)
    assert code is not None
    return code


def dark_modules(svg: str) -> set[tuple[int, int]]:
    """The places (row, column) that the picture paints black, read off its path."""
    [path] = re.findall(r'stroke="#000"[^>]* d="([^"]+)"', svg)
    dark, x, y = set(), 0, 0.0
    for command, first, second in _MOVE.findall(path):
        if command == "h":
            dark |= {(int(y), column) for column in range(x, x + int(first))}
            x += int(first)
        else:
            x, y = (int(first), float(second)) if command == "M" else (x + int(first), y + float(second))
    return dark


@pytest.mark.parametrize("link", [LINK, LINK + "&x=" + "é" * 9, "http://10.0.0.7:8501/tune?h=" + "a" * 900])
def test_the_picture_shows_the_modules_of_the_link_with_four_white_ones_around(link: str) -> None:
    made = segno.make(link, error="l", micro=False)
    expected = {
        (row + QUIET_ZONE, column + QUIET_ZONE)
        for row, line in enumerate(made.matrix)
        for column, module in enumerate(line)
        if module & 1
    }
    code = found(link)
    assert dark_modules(code.svg) == expected
    assert f'viewBox="0 0 {code.modules_shown} {code.modules_shown}"' in code.svg
    assert code.modules_shown == len(made.matrix) + 8


def test_it_is_black_on_white_whatever_the_theme() -> None:
    svg = found(LINK).svg
    assert re.findall(r'(?:fill|stroke)="(#\w+)"', svg) == ["#fff", "#000"]
    side = found(LINK).modules_shown
    assert f'fill="#fff" d="M0 0h{side}v{side}h-{side}z"' in svg


def test_a_link_too_long_for_any_code_has_none() -> None:
    assert qr_code("x" * 2953) is not None
    assert qr_code("x" * 2954) is None


def test_a_code_that_the_back_rows_cannot_read_says_so() -> None:
    assert not found(LINK).is_fine
    assert found(LINK * 4).is_fine
