"""The panel of a job says where on a cluster it is."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from compress_core.jobs.whereabouts import JobStage, Whereabouts
from dashboard.cluster_words import where_it_is

LUNCH = 1_800_014_700.0  # 2027-01-15, 12:05 UTC
UTC, SHANGHAI = ZoneInfo("UTC"), ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("where", "zone", "said"),
    [
        (Whereabouts("head", JobStage.WAITING), UTC, "Cluster head: the job waits there"),
        (Whereabouts("head", JobStage.RUNNING), UTC, "Cluster head: the job runs"),
        (
            Whereabouts("head", JobStage.RUNNING, None, 3, 1200, 2),
            UTC,
            "Cluster head: the job runs · 3 of 1,200 parts done · workers: 2",
        ),
        (
            Whereabouts("head", JobStage.SILENT, LUNCH, 3, 12, 2),
            UTC,
            "Cluster head: not reached since 12:05, what was measured is kept",
        ),
        (
            Whereabouts("head", JobStage.SILENT, LUNCH),
            SHANGHAI,
            "Cluster head: not reached since 20:05, what was measured is kept",
        ),
    ],
)
def test_a_line_says_which_cluster_and_how_far(where: Whereabouts, zone: ZoneInfo, said: str) -> None:
    assert where_it_is(where, zone) == said


def test_the_name_of_a_machine_is_no_markdown() -> None:
    assert "![" not in where_it_is(Whereabouts("![x](http://y)", JobStage.RUNNING), UTC)
