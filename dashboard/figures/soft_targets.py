"""What a teacher tells its student of one item at a temperature, beside what the student says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from compress_core.numerics.arrays import Floats
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.words import hover, percent, safe_names, short
from dashboard.text import _

MOST_CLASSES = 12
HEIGHT = 260


def soft_targets(
    classes: Sequence[str],
    teacher: Floats,
    student: Floats,
    temperature: float,
    *,
    apart: bool = False,
    dark: bool = False,
) -> Drawn:
    """Two bars for each class, on an axis from 0 to 1 at every temperature; teacher, student [classes].

    Of many classes those are drawn of which one of both is surest. apart: whether each is a label that holds
    by itself, so that shares do not add up to 1.
    """
    colors = palette.ink(dark=dark)
    order = np.argsort(-np.maximum(teacher, student), kind="stable")[:MOST_CLASSES]
    chosen = np.sort(order)
    names = safe_names([classes[number] for number in chosen], 12)
    figure = go.Figure(
        [
            go.Bar(
                x=names,
                y=values[chosen],
                name=name,
                marker={"color": color, "line": {"width": 0}},
                hovertemplate=hover(
                    (_("label") if apart else _("class"), "%{x}"), (_("share"), "%{y:.2%}"), heading=name
                ),
            )
            for name, values, color in (
                (_("teacher: the original"), teacher, colors.before),
                (_("student: the model to train"), student, colors.after),
            )
        ]
    )
    figure.update_layout(barmode="group", bargap=0.25)
    figure.update_xaxes(title_text=_("label") if apart else _("class"), type="category", showgrid=False)
    figure.update_yaxes(title_text=_("share"), range=[0, 1], tickformat=".0%")
    palette.style(
        figure,
        dark=dark,
        title=_title(teacher, temperature, apart=apart),
        subtitle=_("At 1 it is what they answer; above 1 every label moves towards one half")
        if apart
        else _("At 1 it is what they answer; above 1 what is unlikely counts more"),
        legend=True,
        height=HEIGHT,
    )
    table = pd.DataFrame(
        {"class": list(classes), "temperature": temperature, "teacher": teacher, "student": student}
    )
    return Drawn(figure, _alternative(classes, teacher, student, temperature, apart=apart), table)


def _title(teacher: Floats, temperature: float, *, apart: bool) -> str:
    if apart:
        return _("At temperature {temperature} the teacher gives its surest label {share}").format(
            temperature=short(temperature), share=percent(float(teacher.max()))
        )
    return _("At temperature {temperature} the teacher gives {share} to all but its first class").format(
        temperature=short(temperature), share=percent(1 - float(teacher.max()))
    )


def _alternative(
    classes: Sequence[str], teacher: Floats, student: Floats, temperature: float, *, apart: bool
) -> str:
    surest = int(teacher.argmax())
    said = (
        _("At temperature {temperature} the teacher gives label {name} {teacher}, the student {student}.")
        if apart
        else _(
            "At temperature {temperature} the teacher gives class {name} {teacher}, the student {student}."
        )
    )
    return said.format(
        temperature=short(temperature),
        name=classes[surest],
        teacher=percent(float(teacher[surest])),
        student=percent(float(student[surest])),
    )
