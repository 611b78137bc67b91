"""What the numbers are that a network answers with, and hence what is judged."""

from __future__ import annotations

from enum import Enum


class PredictionTask(Enum):
    """What a network is asked.

    CLASSIFICATION: one of several classes. LABELS: for each of several labels whether it holds. REGRESSION:
    real numbers. TOKENS: one of several classes at each place of a sequence, such as the next word.
    EMBEDDING: a vector whose direction tells the item.
    """

    CLASSIFICATION = "classification"
    LABELS = "labels"
    REGRESSION = "regression"
    TOKENS = "tokens"
    EMBEDDING = "embedding"


class AnswerKind(Enum):
    """How the answers of a network are meant.

    SCORES: any numbers, softmax makes them probabilities. PROBABILITIES: behind a softmax. LOGARITHMS: behind
    a log-softmax, which another softmax only undoes. SHARES: behind a sigmoid, one for each class by itself.
    LABEL_SCORES and LABEL_SHARES: for each label by itself, before and behind a sigmoid. VALUES: real
    numbers. TOKEN_SCORES: scores at each place of a sequence. VECTORS: an embedding.
    """

    SCORES = "scores"
    PROBABILITIES = "probabilities"
    LOGARITHMS = "logarithms"
    SHARES = "shares"
    LABEL_SCORES = "label scores"
    LABEL_SHARES = "label shares"
    VALUES = "values"
    TOKEN_SCORES = "token scores"  # noqa: S105 - no password
    VECTORS = "vectors"

    @property
    def task(self) -> PredictionTask:
        """What is asked of a network that answers so."""
        return _TASKS.get(self, PredictionTask.CLASSIFICATION)

    @property
    def has_classes(self) -> bool:
        """Whether an answer chooses one of several classes, so that it may be right or wrong."""
        return self not in {AnswerKind.VALUES, AnswerKind.VECTORS}

    @property
    def in_parts(self) -> bool:
        """Whether an item holds several answers, which are not independent of one another."""
        return self.task in {PredictionTask.LABELS, PredictionTask.TOKENS}


_TASKS = {
    AnswerKind.LABEL_SCORES: PredictionTask.LABELS,
    AnswerKind.LABEL_SHARES: PredictionTask.LABELS,
    AnswerKind.VALUES: PredictionTask.REGRESSION,
    AnswerKind.TOKEN_SCORES: PredictionTask.TOKENS,
    AnswerKind.VECTORS: PredictionTask.EMBEDDING,
}
