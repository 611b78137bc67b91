"""Print the table: `python -m benchmarks [word ...]` runs the groups whose names contain a word.

A study, such as `coverage`, runs where it is named in full.
"""

from __future__ import annotations

import logging
import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported
os.environ["SLIMSCOPE_WORKSPACE"] = ""  # what is timed is computed, not found

import torch

from benchmarks import groups, studies
from benchmarks.clock import measured
from benchmarks.networks import FULL
from benchmarks.table import head, line_of, machine, warning


def main(words: list[str]) -> None:
    """Run what was asked for; a line is printed as soon as it is known."""
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)  # Streamlit warns that there is no server
    named = [study for name, study in studies().items() if name in words]
    for study in named:
        print(f"\n{machine()}\n", flush=True)
        for line in study(FULL):
            print(line, flush=True)
    if len(named) < len(words) or not words:
        _timed([word for word in words if word not in studies()])


def _timed(words: list[str]) -> None:
    print(machine(), warning(), head(), sep="\n\n", flush=True)
    for name, cases in groups().items():
        if not words or any(word in name for word in words):
            for case in cases(FULL):
                print(line_of(measured(case)), flush=True)
    print(f"\n{warning()}")


if __name__ == "__main__":  # a process that is forked reads this file too
    main(sys.argv[1:])
