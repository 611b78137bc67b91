"""Where a job is on a cluster, in one line."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from compress_core.jobs.whereabouts import JobStage, Whereabouts
from dashboard.text import _, literal


def where_it_is(where: Whereabouts, zone: tzinfo) -> str:
    """Which cluster, how far it has come there, and who works on it; zone: of the visitor's clock."""
    return _("Cluster {host}: {how}").format(host=literal(where.host), how=_how(where, zone))


def _how(where: Whereabouts, zone: tzinfo) -> str:
    match where.stage:
        case JobStage.WAITING:
            return _("the job waits there")
        case JobStage.SILENT:
            return _("not reached since {time}, what was measured is kept").format(time=_time(where, zone))
        case JobStage.RUNNING:
            return " · ".join([_("the job runs"), *_parts(where)])


def _parts(where: Whereabouts) -> list[str]:
    if not where.parts:
        return []
    done = _("{done:,} of {parts:,} parts done").format(done=where.parts_done, parts=where.parts)
    return [done, _("workers: {count:,}").format(count=where.workers)]


def _time(where: Whereabouts, zone: tzinfo) -> str:
    since = where.silent_since or 0.0
    return f"{datetime.fromtimestamp(since, UTC).astimezone(zone):%H:%M}"
