"""How fast the sliders are, beside what one would use without us. `python -m benchmarks` prints the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.clock import Case, Limit
    from benchmarks.networks import Size

    Cases = Callable[[Size], Iterator[Case | Limit]]
    Lines = Callable[[Size], Iterator[str]]


def groups() -> Mapping[str, Cases]:
    """What is timed, by name, in the order of the table."""
    from benchmarks import (
        answers,
        execution,
        finding_groups,
        pages,
        pruning,
        quantizing,
        ranks,
        reading,
        structured,
    )

    return {
        "pruning": pruning.cases,
        "quantizing": quantizing.cases,
        "ranks": ranks.cases,
        "structured": structured.cases,
        "finding": finding_groups.cases,
        "reading": reading.cases,
        "answers": answers.cases,
        "execution": execution.cases,
        "pages": pages.cases,
    }


def studies() -> Mapping[str, Lines]:
    """What is counted rather than timed, by name: each yields the lines of its own table."""
    from benchmarks import (
        authors_gptq,
        carried_models,
        channel_criteria,
        checked_estimates,
        classroom,
        coverage,
        equal_bytes,
        gate_reviews,
        guided_search,
        headline,
        kept_attributions,
        kills,
        latency_repeats,
        qat,
        ray_away,
        ray_cluster,
        reach,
        recovery,
        scan,
        size,
        sparse_from_start,
        srigl_speed,
        structured_recovery,
        students,
        tucker_errors,
    )

    return {
        "budget": equal_bytes.lines,
        "carried": carried_models.lines,
        "classroom": classroom.lines,
        "coverage": coverage.lines,
        "dynamic_sparsity": sparse_from_start.lines,
        "estimates": checked_estimates.lines,
        "headline": headline.lines,
        "keep_attributions": kept_attributions.lines,
        "kills": kills.lines,
        "latency_repeats": latency_repeats.lines,
        "qat": qat.lines,
        "cluster": ray_cluster.lines,
        "cluster_away": ray_away.lines,
        "reach": reach.lines,
        "recovery": recovery.lines,
        "reviews": gate_reviews.lines,
        "scan": scan.lines,
        "reference_channels": channel_criteria.lines,
        "reference_gptq": authors_gptq.lines,
        "reference_tucker": tucker_errors.lines,
        "search": guided_search.lines,
        "size": size.lines,
        "srigl_speed": srigl_speed.lines,
        "structured_recovery": structured_recovery.lines,
        "students": students.lines,
    }
