"""Rank: two thin layers in place of one, and when that is more than before."""

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

LESSON = Lesson(
    title=N_("Two thin layers for a thick one: rank"),
    order=30,
    model="lenet300",
    layer="fc1",
    knob=LessonKnob(
        label=N_("Rank of fc1"),
        technique="low_rank",
        knob="rank",
        match="fc1",
        places=(5, 10, 20, 50, 100, 150, 200, 216, 217, 250, 300),
        is_whole=True,
    ),
    prediction=LessonPrediction(
        label=N_("Weights of the two layers at rank 250"),
        quantity="layer_weights",
        at=250,
        low=0.0,
        high=1000000.0,
        step=1000.0,
        near=10000.0,
    ),
    readouts=("layer_weights", "accuracy", "file_bytes"),
    numbers={
        "before": LessonNumber(quantity="layer_weights"),
        "after": LessonNumber(quantity="layer_weights", at=250),
        "break_even": LessonNumber(quantity="layer_weights", at=216),
        "beyond": LessonNumber(quantity="layer_weights", at=217),
        "few": LessonNumber(quantity="layer_weights", at=50),
        "accuracy_few": LessonNumber(quantity="accuracy", at=50),
        "accuracy_all": LessonNumber(quantity="accuracy"),
    },
    question=N_(
        "A long report can be told in a summary and retold from it: less is written down, and little is "
        "lost if the summary is good. A layer of 300 neurons with 784 inputs each, 235,200 weights, can be "
        "split the same way: 784 inputs into a summary of r numbers, and r numbers into 300 neurons.\n\nThe "
        "full rank is 300. With a summary of **r = 250** numbers, how many weights do the two layers have "
        "together?"
    ),
    why=N_(
        "The first layer has 784 weights for each number of the summary, the second has 300: each rank "
        "costs 1,084 weights. At rank 250 that is {after}, where the one layer had {before}: more than "
        "before."
    ),
    formula=r"W \approx U V, \qquad r\,(m + n) < m\,n \iff r < \frac{m\,n}{m + n}",
    these_numbers=N_(
        "m = 300 and n = 784. At rank 216 the two layers have {break_even} weights, at rank 217 {beyond}: "
        "between them lies the break-even rank. Below it a factored layer is smaller."
    ),
    surprise=N_(
        "How little is needed: at rank 50 the layer has {few} weights, and {accuracy_few} of the digits are "
        "read rightly, where the original model reads {accuracy_all}. What the digits ask of the layer lies "
        "in few directions."
    ),
    exercise=N_("Now yourself: find a rank where both of these hold."),
    goal=(GoalBound(quantity="layer_weights", high=60000.0), GoalBound(quantity="accuracy", low=98.5)),
    solved=N_("Reached. The two layers also multiply less: unlike zeros, that helps on every machine."),
    quiz=(
        QuizQuestion(
            text=N_("Why can a factored layer be larger than the one it replaces?"),
            answers=(
                QuizAnswer(
                    text=N_("Two matrices are stored, and near full rank both are large."),
                    feedback=N_("Yes: {after} weights in place of {before} at rank 250."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("The singular values are stored as well."),
                    feedback=N_("They are multiplied into the two layers; nothing else is stored."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("What decides how well a low rank does?"),
            answers=(
                QuizAnswer(
                    text=N_("How fast the singular values fall."),
                    feedback=N_("Yes: what is cut off is the sum of the squares of those left out."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("How many weights are close to zero."),
                    feedback=N_("That decides how well pruning does. A full matrix may have a low rank."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("A square layer of n times n: up to which rank is it smaller when factored?"),
            answers=(
                QuizAnswer(
                    text=N_("Below n / 2."),
                    feedback=N_("Yes: r times 2n is less than n times n up to there."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("Below n."),
                    feedback=N_("At rank n the two layers have twice the weights of the one."),
                ),
                QuizAnswer(
                    text=N_("At every rank."),
                    feedback=N_("Count: n weights in, n weights out, for each rank: 2n times r in all."),
                ),
            ),
        ),
    ),
)
