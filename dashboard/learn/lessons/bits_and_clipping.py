"""Bits, scale and clipping: how fine the levels are is decided by the largest weight."""

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

CLIPPED = {
    "layers": [
        {"match": "*", "steps": [{"technique": "clipped", "bits": 2, "granularity": "per_tensor"}]},
    ]
}
BY_ROW = {
    "layers": [{"match": "*", "steps": [{"technique": "uniform", "bits": 2, "granularity": "per_channel"}]}]
}

LESSON = Lesson(
    title=N_("How many bits does a weight need? Scale and clipping"),
    order=20,
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
        label=N_("Accuracy with 4 bits for each weight"),
        quantity="accuracy",
        at=4,
        low=0.0,
        high=100.0,
        step=1.0,
        near=1.0,
    ),
    readouts=("accuracy", "file_bytes"),
    numbers={
        "before": LessonNumber(quantity="accuracy"),
        "after": LessonNumber(quantity="accuracy", at=4),
        "size_before": LessonNumber(quantity="file_bytes"),
        "size": LessonNumber(quantity="file_bytes", at=4),
        "two": LessonNumber(quantity="accuracy", at=2),
        "clipped": LessonNumber(quantity="accuracy", recipe=CLIPPED),
        "by_row": LessonNumber(quantity="accuracy", recipe=BY_ROW),
    },
    question=N_(
        "A ruler with sixteen marks measures less finely than one with a million, but often well enough. A "
        "trained weight has 32 bits; with **4 bits** it may take one of sixteen evenly spaced values, and "
        "is rounded to the nearest.\n\nThis network reads {accuracy} of its validation digits rightly. All "
        "weights of all layers are rounded to 4 bits, with one scale for each layer. What share does it "
        "still read rightly?"
    ),
    why=N_(
        "Rounding moves a weight by at most half a step, up as often as down, so the errors of a long sum "
        "mostly cancel out. What counts is the step, and that is set by the largest weight: at 4 bits "
        "{after} are read rightly, {before} before."
    ),
    formula=r"s \approx \frac{\max_{ij} |w_{ij}|}{2^{\,b-1}}, \qquad w'_{ij} = s\,\lfloor w_{ij} / s \rceil",
    these_numbers=N_(
        "With b = 4 there are 16 levels. The file shrinks from {size_before} to {size}, for 4 bits in place "
        "of 32 and a few numbers that stay as they are, such as biases."
    ),
    surprise=N_(
        "At 2 bits one large weight ruins the layer: {two}. **Clip** the few largest weights, so that the "
        "four levels lie where most weights are, and it is {clipped}. A scale for each neuron, without "
        "clipping, gives {by_row}."
    ),
    exercise=N_("Now yourself: find the number of bits where both of these hold."),
    goal=(GoalBound(quantity="accuracy", low=98.5), GoalBound(quantity="file_bytes", high=200.0)),
    solved=N_("Reached. On Tune you can give each layer its own number of bits: not all need as many."),
    quiz=(
        QuizQuestion(
            text=N_("One weight becomes ten times as large as all others. What happens to the rounding?"),
            answers=(
                QuizAnswer(
                    text=N_("The step grows, and all others are rounded more coarsely."),
                    feedback=N_("Yes: the levels have to reach it, so fewer lie where the others are."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("Only that weight is rounded more coarsely."),
                    feedback=N_("All weights of the layer share the scale, so all of them pay."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("One bit more for each weight: how many levels are there then?"),
            answers=(
                QuizAnswer(
                    text=N_("Twice as many."),
                    feedback=N_("Yes: b bits tell 2 to the power b levels apart."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("One more."),
                    feedback=N_("One more bit doubles what can be told apart: 16, then 32."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("What does clipping give up?"),
            answers=(
                QuizAnswer(
                    text=N_("The exact size of the few largest weights."),
                    feedback=N_("Yes: they are pulled in to the last level, and everything else gets finer."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("The smallest weights."),
                    feedback=N_("Those gain: more levels lie close to zero than before."),
                ),
                QuizAnswer(
                    text=N_("A bit of each weight."),
                    feedback=N_("The number of bits stays the same; the levels lie closer together."),
                ),
            ),
        ),
    ),
)
