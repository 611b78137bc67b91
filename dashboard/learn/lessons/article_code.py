"""The article's code, run: what often read snippets really do, beside the right way."""

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

FULL_RANK = {"layers": [{"match": "fc1", "steps": [{"technique": "low_rank", "rank": 300}]}]}

LESSON = Lesson(
    title=N_("Does the code do what it says? An article, run"),
    order=75,
    model="lenet300",
    layer="fc1",
    knob=LessonKnob(
        label=N_("Weights of fc1 set to zero"),
        technique="magnitude",
        knob="sparsity",
        match="fc1",
        places=(0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
        factor=100,
        unit="%",
    ),
    prediction=LessonPrediction(
        label=N_("Accuracy after that code has set one in ten weights of fc1 to zero"),
        quantity="accuracy_without_largest",
        at=0.1,
        low=0.0,
        high=100.0,
        step=1.0,
        near=1.0,
    ),
    readouts=("accuracy_without_largest", "accuracy", "layer_zeros"),
    numbers={
        "before": LessonNumber(quantity="accuracy"),
        "wrong": LessonNumber(quantity="accuracy_without_largest", at=0.1),
        "right": LessonNumber(quantity="accuracy", at=0.1),
        "right_half": LessonNumber(quantity="accuracy", at=0.5),
        "zeros": LessonNumber(quantity="layer_zeros", at=0.1),
        "weights": LessonNumber(quantity="layer_weights"),
        "full_rank": LessonNumber(quantity="layer_weights", recipe=FULL_RANK),
    },
    question=N_(
        "A recipe that everybody copies may have salt where sugar was meant. In widely read articles "
        "pruning is done like this: take the sizes of all weights, ask for the **top k** of them, and set "
        "what comes back to zero.\n\nThis network reads {accuracy} of its validation digits rightly. That "
        "code is run on fc1, with k for **one in ten** of its weights. What share is read rightly "
        "afterwards?"
    ),
    why=N_(
        "The top k are the **largest** weights, and it is these that the code removes: {wrong} are left, "
        "where the smallest tenth costs next to nothing: {right}. One sign is wrong, and the code runs "
        "without an error."
    ),
    formula=r"w'_{ij} = 0 \iff |w_{ij}| \ge t \qquad \mathrm{vs.} \qquad w'_{ij} = 0 \iff |w_{ij}| \le t",
    these_numbers=N_(
        "fc1 has {weights} weights, and {zeros} become zero either way. Nothing but the side of the "
        "threshold differs."
    ),
    surprise=N_(
        "The same articles call a layer low-rank whose two factors have the full rank: of fc1 that makes "
        "{full_rank} weights in place of {weights}. What they call exponential quantization rounds to "
        "evenly spaced 8-bit levels, and their distillation has no loss that would read the teacher's "
        "answers."
    ),
    exercise=N_("Now yourself, the right way: find a place where both of these hold."),
    goal=(GoalBound(quantity="layer_zeros", low=100000.0), GoalBound(quantity="accuracy", low=98.0)),
    solved=N_("Reached: half of the weights for less than that code pays for a tenth."),
    quiz=(
        QuizQuestion(
            text=N_("How do you notice that pruning code removes the wrong weights?"),
            answers=(
                QuizAnswer(
                    text=N_("Compare with pruning by chance: it must do better."),
                    feedback=N_("Yes: what is worse than chance has its order upside down."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("Count the zeros."),
                    feedback=N_("There are {zeros} either way: the count is right, the choice is not."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("How do you notice that a factored layer saves nothing?"),
            answers=(
                QuizAnswer(
                    text=N_("Count its weights before and after."),
                    feedback=N_("Yes: {full_rank} against {weights} says it at once."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("Look at its name."),
                    feedback=N_("A name promises; only a count tells."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("Code runs without an error. What does that show?"),
            answers=(
                QuizAnswer(
                    text=N_("That its shapes fit, and no more."),
                    feedback=N_("Yes: what it does to the model has to be measured, as here."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("That it does what its comments say."),
                    feedback=N_("This code ran as well, and left {wrong} in place of {right}."),
                ),
            ),
        ),
    ),
)
