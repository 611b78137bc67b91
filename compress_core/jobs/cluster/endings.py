"""Why a job ended on a cluster without a result. Needs no torch."""

from __future__ import annotations

from compress_core.foundation.errors import Refused
from compress_core.jobs.cluster.lines import rest_of_log
from compress_core.jobs.cluster.ray_jobs import RemoteState

_NO_MEMORY = ("OutOfMemoryError", "MemoryError", "can't allocate memory", "std::bad_alloc")
"""Ray's word for a part that was ended so that its node lives on; those of Python, torch and C++."""


def is_the_clusters(state: RemoteState) -> bool:
    """Whether a job ended for a reason of the cluster that may not come again: a node that is gone."""
    said = state.message.lower()
    return (
        state.status == "FAILED"
        and any(
            word in said for word in ("node", "unexpected", "actor", "supervisor", "runtime env", "timed out")
        )
        and (state.exit_code is None)
    )


def why_it_ended(state: RemoteState, log: str) -> Refused:
    """Why a job left no result, from what the cluster says and its log."""
    code = state.exit_code
    if state.status == "STOPPED":
        return Refused("The job was stopped on the cluster, by somebody else: start it again.")
    if code is not None and (code < 0 or code > 128):
        return Refused(
            "The process of this job was ended from outside (signal {signal}), perhaps because memory ran "
            "out: start it again, with fewer items if it happens twice.",
            signal=-code if code < 0 else code - 128,
        )
    if any(word in log or word in state.message for word in _NO_MEMORY):
        return Refused(
            "Memory ran out on a node of the cluster: give its nodes more, or work on fewer items, then "
            "start the job again. What was measured is kept."
        )
    if state.status == "SUCCEEDED":
        return Refused("The result came cut off, or was changed on its way: start the job again.")
    return Refused(
        "The job stopped on the cluster with an error ({reason}): its log there says more.",
        reason=(rest_of_log(log) if code is not None else "") or state.message[:200] or state.status,
    )
