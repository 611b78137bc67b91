"""Print the table: `python -m benchmarks [word ...]` runs the groups whose names contain a word."""

from __future__ import annotations

import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"

import torch

from benchmarks import answers, pages, pruning, quantizing, ranks
from benchmarks.clock import held, timed
from benchmarks.networks import FULL
from benchmarks.table import head, line_of, line_of_limit, machine, warning

COMPARED = {
    "pruning": pruning.cases,
    "quantizing": quantizing.cases,
    "ranks": ranks.cases,
    "answers": answers.cases,
}


def main(words: list[str]) -> None:
    """Run what was asked for, a line as soon as it is known."""
    torch.set_num_threads(1)
    print(machine(), warning(), sep="\n", flush=True)
    print(head(), flush=True)
    for name, cases in COMPARED.items():
        if _wanted(name, words):
            for case in cases(FULL):
                print(line_of(timed(case)), flush=True)
    if _wanted("pages", words):
        for limit in pages.limits(FULL):
            print(line_of_limit(held(limit)), flush=True)
    print(warning(), flush=True)


def _wanted(name: str, words: list[str]) -> bool:
    return not words or any(word in name for word in words)


main(sys.argv[1:])
