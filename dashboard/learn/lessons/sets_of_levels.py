"""Uniform, power-of-two and codebook levels: as many levels, in other places."""

from __future__ import annotations

from compress_core.foundation.texts import N_
from dashboard.learn.lesson import (
    GoalBound,
    Lesson,
    LessonKnob,
    LessonNumber,
    LessonPrediction,
    QuizAnswer,
    QuizQuestion,
)

EVEN = {
    "layers": [{"match": "*", "steps": [{"technique": "uniform", "bits": 2, "granularity": "per_tensor"}]}]
}
POWERS = {"layers": [{"match": "*", "steps": [{"technique": "power_of_two", "bits": 2}]}]}
FOUR_BITS = {"layers": [{"match": "*", "steps": [{"technique": "power_of_two", "bits": 4}]}]}

LESSON = Lesson(
    title=N_("Where do the levels lie? Even steps, powers of two, a codebook"),
    order=70,
    model="lenet300",
    layer="fc1",
    knob=LessonKnob(
        label=N_("Bits of the codebook"),
        technique="kmeans",
        knob="bits",
        places=(2, 3, 4, 5, 6, 7, 8),
        is_whole=True,
    ),
    prediction=LessonPrediction(
        label=N_("Accuracy with four values for each layer"),
        quantity="accuracy",
        at=2,
        low=0.0,
        high=100.0,
        step=1.0,
        near=1.0,
    ),
    readouts=("accuracy", "changed_answers", "file_bytes"),
    numbers={
        "before": LessonNumber(quantity="accuracy"),
        "after": LessonNumber(quantity="accuracy", at=2),
        "even": LessonNumber(quantity="accuracy", recipe=EVEN),
        "powers": LessonNumber(quantity="accuracy", recipe=POWERS),
        "powers_four": LessonNumber(quantity="accuracy", recipe=FOUR_BITS),
        "size": LessonNumber(quantity="file_bytes", at=2),
        "size_before": LessonNumber(quantity="file_bytes"),
    },
    question=N_(
        "With four crayons a picture can still be recognized, if the four colors are chosen well. A "
        "codebook chooses well: it puts its levels where the weights are.\n\nThis network reads {accuracy} "
        "of its validation digits rightly. With **2 bits** every weight of a layer becomes one of **four "
        "values**, found by k-means. What share does it still read rightly?"
    ),
    why=N_(
        "k-means moves each level to the mean of the weights that are rounded to it, until nothing moves: "
        "levels are dense where weights are many. Four levels in good places read {after} rightly, {before} "
        "before."
    ),
    formula=r"\min_{c_1 \dots c_K}\; \sum_{ij} \min_k\, (w_{ij} - c_k)^2, \qquad K = 2^{\,b}",
    these_numbers=N_(
        "K = 4 levels for each of the three layers. The file takes {size}, and {size_before} before: 2 bits "
        "for each weight, and a table of four numbers for each layer."
    ),
    surprise=N_(
        "The same 2 bits with evenly spaced levels: {even}. With zero and plus or minus one power of two, "
        "whose products are mere shifts: {powers}. At 4 bits, though, powers of two reach {powers_four}."
    ),
    exercise=N_("Now yourself: find the smallest codebook that does this."),
    goal=(GoalBound(quantity="accuracy", low=98.7), GoalBound(quantity="file_bytes", high=110.0)),
    solved=N_("Reached. On Tune, under Quantizers, all of them stand side by side for the layer you choose."),
    quiz=(
        QuizQuestion(
            text=N_("Why does a codebook beat even steps at few bits?"),
            answers=(
                QuizAnswer(
                    text=N_("Its levels lie where most weights are."),
                    feedback=N_("Yes: even steps spend levels on values that hardly any weight has."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("It has more levels."),
                    feedback=N_("It has as many: 2 bits are four levels for both."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("What do powers of two offer to hardware?"),
            answers=(
                QuizAnswer(
                    text=N_("A product becomes a shift of bits."),
                    feedback=N_("Yes: no multiplier is needed, which saves area and energy."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("They take fewer bits for each weight."),
                    feedback=N_("The codes have as many bits; only the values behind them are others."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("What does a codebook cost beside its codes?"),
            answers=(
                QuizAnswer(
                    text=N_("A table of levels for each layer, and a look-up for each weight."),
                    feedback=N_("Yes: the table is tiny, but integer arithmetic cannot work on its codes."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("A full copy of the weights."),
                    feedback=N_("No: only codes and tables are stored, {size} in all."),
                ),
            ),
        ),
    ),
)
