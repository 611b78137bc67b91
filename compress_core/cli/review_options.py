"""What `slimscope review` can be told beside model, recipe and items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

GatesOption = Annotated[
    str | None,
    typer.Option(
        "--gates",
        metavar="FILE.yaml",
        help="What must hold: a file, or non_inferiority, mlperf_99, mlperf_999; of real numbers "
        "values_kept, of vectors vectors_kept. Left out: non_inferiority, or what is meant for such a model.",
        show_default=False,
    ),
]
ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE.html",
        help="Write the report there, and the same as JSON beside it.",
        show_default=False,
    ),
]
ZipOption = Annotated[
    Path | None,
    typer.Option(
        "--zip",
        metavar="FILE.zip",
        help="Write report, JSON, recipe, gates, packed file and tables in one file.",
        show_default=False,
    ),
]
LangOption = Annotated[
    str, typer.Option("--lang", metavar="CODE", help="Which language of the report opens first: en or zh.")
]
ListedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--to",
        metavar="FORMAT",
        help="Make the model in this format too, as export does, and list its files with their sha-256; "
        "repeat it for more.",
        show_default=False,
    ),
]
OnOption = Annotated[
    str | None,
    typer.Option(
        "--split", metavar="SPLIT", help="test, or validation where there is no other.", show_default=False
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE.csv",
        help="Labels of the items on which the two models disagree, as listed by --disagreements.",
        show_default=False,
    ),
]
DisagreementsOption = Annotated[
    Path | None,
    typer.Option(
        "--disagreements",
        metavar="FILE.csv",
        help="Write the items on which the two models disagree: only these need labels.",
        show_default=False,
    ),
]
GroupOption = Annotated[
    str | None,
    typer.Option(
        "--group-column",
        metavar="NAME",
        help="An array of whole numbers in --data, which says the subgroup of each item.",
        show_default=False,
    ),
]
GroupsOption = Annotated[
    Path | None,
    typer.Option(
        "--groups",
        metavar="FILE.csv",
        help="The same as a file with the columns item and group, a row for each item; file_item instead of "
        "item: numbered as in --data.",
        show_default=False,
    ),
]
AllowOption = Annotated[
    bool, typer.Option("--allow-undecided", help="End with 0 where nothing fails and something is open.")
]
ReviewerOption = Annotated[str, typer.Option("--reviewer", metavar="NAME", help="Who reviews.")]
DecisionOption = Annotated[
    str,
    typer.Option("--decision", metavar="WORD", help="approve, reject or conditions; it needs --reviewer."),
]
NotesOption = Annotated[
    str,
    typer.Option(
        "--notes",
        metavar="TEXT",
        help="What the reviewer has to say: the conditions, or why what does not pass is approved.",
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--target-device", metavar="NAME", help="Where the model is meant to run.")
]
TargetRuntimeOption = Annotated[
    str, typer.Option("--target-runtime", metavar="NAME", help="In which runtime it is meant to run.")
]
