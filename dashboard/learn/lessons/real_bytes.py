"""Entropy and real bytes: codes that are not equally frequent need less room than they seem to."""

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

BY_ROW = {"layers": [{"match": "*", "steps": [{"technique": "uniform", "bits": 4}]}]}

LESSON = Lesson(
    title=N_("How small is the file really? Entropy"),
    order=80,
    model="lenet300",
    layer="fc1",
    knob=LessonKnob(
        label=N_("Bits for each weight"),
        technique="uniform",
        knob="bits",
        fixed={"granularity": "per_tensor"},
        places=(2, 3, 4, 5, 6, 7, 8),
        is_whole=True,
    ),
    prediction=LessonPrediction(
        label=N_("Packed file at 4 bits for each weight"),
        quantity="packed_bytes",
        at=4,
        low=0.0,
        high=1100.0,
        step=1.0,
        near=5.0,
    ),
    readouts=("packed_bytes", "file_bytes", "accuracy"),
    numbers={
        "before": LessonNumber(quantity="file_bytes"),
        "fixed_length": LessonNumber(quantity="file_bytes", at=4),
        "after": LessonNumber(quantity="packed_bytes", at=4),
        "eight_fixed": LessonNumber(quantity="file_bytes", at=8),
        "eight": LessonNumber(quantity="packed_bytes", at=8),
        "by_row": LessonNumber(quantity="packed_bytes", recipe=BY_ROW),
        "packed_before": LessonNumber(quantity="packed_bytes"),
    },
    question=N_(
        "In a letter e is written often and q hardly ever: Morse gave e a single dot. Codes of weights are "
        "like that: most weights lie close to zero, so the codes there are used all the time.\n\nThis "
        "network has {parameters} numbers. With **4 bits** for each weight, written one after the other, "
        "the file takes an eighth of what it took. The packed file gives frequent codes fewer bits and rare "
        "ones more. How many KiB does it take?"
    ),
    why=N_(
        "What a code costs is the logarithm of how rarely it comes, and the mean of that is the entropy: "
        "the fewest bits that any lossless code needs. Written at full length the codes take "
        "{fixed_length}, packed {after}."
    ),
    formula=r"H = -\sum_k p_k \log_2 p_k \;\le\; b",
    these_numbers=N_(
        "b = 4. As loaded, with 32 bits for each weight, the file takes {before}, and packed "
        "{packed_before}: the last bits of such numbers are as good as random, and nothing finds an order "
        "in them."
    ),
    surprise=N_(
        "At 8 bits the packed file takes {eight} in place of {eight_fixed}. A scale for each neuron at 4 "
        "bits spreads the codes more evenly, which costs room: {by_row} packed. Finer levels, more entropy."
    ),
    exercise=N_("Now yourself: find a number of bits where both of these hold."),
    goal=(GoalBound(quantity="packed_bytes", high=120.0), GoalBound(quantity="accuracy", low=98.5)),
    solved=N_("Reached. The page Deploy counts the bytes of this model in every way people count them."),
    quiz=(
        QuizQuestion(
            text=N_("When does entropy coding gain nothing?"),
            answers=(
                QuizAnswer(
                    text=N_("When all codes come equally often."),
                    feedback=N_("Yes: then the entropy is b bits, as much as at full length."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("When there are few codes."),
                    feedback=N_("Few codes may be very uneven: then it gains most."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("Is anything lost by packing?"),
            answers=(
                QuizAnswer(
                    text=N_("No: every code comes back as it was."),
                    feedback=N_(
                        "Yes: what was lost, rounding lost before. Packing only writes it down more briefly."
                    ),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("Yes: rare codes are replaced by frequent ones."),
                    feedback=N_("They stay; they only take more bits than the frequent ones."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("Most weights become zero by pruning. What happens to the entropy of the codes?"),
            answers=(
                QuizAnswer(
                    text=N_("It falls: one code is now far more frequent."),
                    feedback=N_("Yes: that is how zeros save bytes, though the number of codes is the same."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("It stays: there are as many codes."),
                    feedback=N_("What counts is how often each comes, and not how many there are."),
                ),
            ),
        ),
    ),
)
