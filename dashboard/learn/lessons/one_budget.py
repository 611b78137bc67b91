"""One budget: layers share what may go, instead of all giving the same."""

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

ALIKE = {"layers": [{"match": "*", "steps": [{"technique": "magnitude", "sparsity": 0.8}]}]}
LARGEST_ALONE = {"layers": [{"match": "fc1", "steps": [{"technique": "magnitude", "sparsity": 0.9}]}]}

LESSON = Lesson(
    title=N_("Who should give how much? One budget"),
    order=90,
    model="lenet300",
    layer="fc1",
    knob=LessonKnob(
        label=N_("Weights removed in the whole network"),
        technique="magnitude",
        knob="sparsity",
        fixed={"scope": "network"},
        places=(0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95),
        factor=100,
        unit="%",
    ),
    prediction=LessonPrediction(
        label=N_("Accuracy with the smallest four in five weights of the whole network removed"),
        quantity="accuracy",
        at=0.8,
        low=0.0,
        high=100.0,
        step=1.0,
        near=1.0,
    ),
    readouts=("accuracy", "file_bytes", "layer_zeros"),
    numbers={
        "before": LessonNumber(quantity="accuracy"),
        "after": LessonNumber(quantity="accuracy", at=0.8),
        "size": LessonNumber(quantity="file_bytes", at=0.8),
        "zeros": LessonNumber(quantity="layer_zeros", at=0.8),
        "weights": LessonNumber(quantity="layer_weights"),
        "alike": LessonNumber(quantity="accuracy", recipe=ALIKE),
        "alike_size": LessonNumber(quantity="file_bytes", recipe=ALIKE),
        "alone": LessonNumber(quantity="accuracy", recipe=LARGEST_ALONE),
        "alone_size": LessonNumber(quantity="file_bytes", recipe=LARGEST_ALONE),
    },
    question=N_(
        "A household has to save. Everybody could give up four fifths of what they spend; or one looks at "
        "the whole and cuts where it hurts least.\n\nThis network reads {accuracy} of its validation digits "
        "rightly. If **every layer** gives up four in five weights, it loses very much. Now all layers "
        "share **one budget**: the smallest four in five of all weights of the network go, wherever they "
        "lie. What share does it still read rightly?"
    ),
    why=N_(
        "The large layer fc1 has many small weights to spare, the small layers have hardly any: with one "
        "budget fc1 gives more and they give less. At the same number of zeros {after} are read rightly, in "
        "place of {alike}."
    ),
    formula=r"\min_{s_1 \dots s_L}\; \sum_l \Delta_l(s_l), \qquad \sum_l b_l(s_l) \le B",
    these_numbers=N_(
        "Of the {weights} weights of fc1 {zeros} become zero. The file takes {size}, and {alike_size} where "
        "every layer gave the same share."
    ),
    surprise=N_(
        "A plain rule of thumb does better still: take nine in ten weights of fc1 **alone** and leave the "
        "other layers as they are. The file takes {alone_size}, and {alone} are read rightly. The size of a "
        "weight alone does not say how much its layer would miss it: what each layer bears has to be "
        "measured."
    ),
    exercise=N_("Now yourself: find a place where both of these hold."),
    goal=(GoalBound(quantity="accuracy", low=97.0), GoalBound(quantity="file_bytes", high=500.0)),
    solved=N_("Reached. On Trade-offs a solver spends a budget for you, from what each layer really bears."),
    quiz=(
        QuizQuestion(
            text=N_("Why is the same share for every layer a poor choice?"),
            answers=(
                QuizAnswer(
                    text=N_("Layers bear different shares."),
                    feedback=N_("Yes: here {alike} against {after}, with as many zeros."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("It removes more weights in all."),
                    feedback=N_("It removes as many; only others."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("Which layer saves most bytes for each point of accuracy?"),
            answers=(
                QuizAnswer(
                    text=N_("One with many weights that are not needed, such as fc1."),
                    feedback=N_("Yes: it has most of the weights, and they are the least missed."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("The last one, since it is the smallest."),
                    feedback=N_(
                        "It has so few weights that hardly a byte is saved, and each of them counts."
                    ),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("What does a solver need to spend a budget well?"),
            answers=(
                QuizAnswer(
                    text=N_("What each layer saves and what that costs, at every degree."),
                    feedback=N_(
                        "Yes: measured for each layer alone, added up, and checked on the real model."
                    ),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("The number of layers."),
                    feedback=N_("Two networks with as many layers can bear quite different shares."),
                ),
            ),
        ),
    ),
)
