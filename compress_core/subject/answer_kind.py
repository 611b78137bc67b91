"""What the numbers are that a network answers with: scores, or probabilities already."""

from __future__ import annotations

from enum import Enum


class AnswerKind(Enum):
    """How the answers of a network become probabilities.

    SCORES: any numbers, softmax makes them probabilities. PROBABILITIES: behind a softmax. LOGARITHMS: behind
    a log-softmax, which another softmax only undoes. SHARES: behind a sigmoid, one for each class by itself.
    """

    SCORES = "scores"
    PROBABILITIES = "probabilities"
    LOGARITHMS = "logarithms"
    SHARES = "shares"
