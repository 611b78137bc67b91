"""Magnitude pruning: most weights are close to zero, and a layer hardly misses them."""

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

BY_CHANCE = {"layers": [{"match": "fc1", "steps": [{"technique": "random_pruning", "sparsity": 0.9}]}]}
EVERYWHERE = {"layers": [{"match": "*", "steps": [{"technique": "magnitude", "sparsity": 0.9}]}]}

LESSON = Lesson(
    title=N_("Which weights can go? Magnitude pruning"),
    order=10,
    model="lenet300",
    layer="fc1",
    knob=LessonKnob(
        label=N_("Weights of fc1 removed"),
        technique="magnitude",
        knob="sparsity",
        match="fc1",
        places=(0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99),
        factor=100,
        unit="%",
    ),
    prediction=LessonPrediction(
        label=N_("Accuracy with nine in ten weights of fc1 removed"),
        quantity="accuracy",
        at=0.9,
        low=0.0,
        high=100.0,
        step=1.0,
        near=1.0,
    ),
    readouts=("accuracy", "layer_zeros", "file_bytes"),
    numbers={
        "before": LessonNumber(quantity="accuracy"),
        "after": LessonNumber(quantity="accuracy", at=0.9),
        "weights": LessonNumber(quantity="layer_weights"),
        "zeros": LessonNumber(quantity="layer_zeros", at=0.9),
        "by_chance": LessonNumber(quantity="accuracy", recipe=BY_CHANCE),
        "everywhere": LessonNumber(quantity="accuracy", recipe=EVERYWHERE),
    },
    question=N_(
        "You move house and may take one book in ten: you keep those that you open most. Pruning does that "
        "to a layer: the weights nearest to zero become zero.\n\nThis network reads {accuracy} of its "
        "validation digits rightly. In its largest layer, fc1, the smallest **nine in ten weights** are set "
        "to zero, and nothing is trained anew. What share does it still read rightly?"
    ),
    why=N_(
        "Most weights of a trained layer lie close to zero, so each adds next to nothing to a sum over "
        "hundreds of inputs. The few large ones carry what was learned: with them alone {after} are read "
        "rightly, {before} before."
    ),
    formula=r"w'_{ij} = w_{ij}\;\bigl[\,|w_{ij}| > t\,\bigr]",
    these_numbers=N_(
        "fc1 has {weights} weights. The threshold t lies where {zeros} of them are no larger than it: those "
        "become zero, all others stay as they are."
    ),
    surprise=N_(
        "Remove as many weights **by chance** and {by_chance} are read rightly. Remove the smallest nine in "
        "ten of **every** layer, not of fc1 alone, and it is {everywhere}: small layers have nothing to "
        "spare, and each layer sees the errors of those before it."
    ),
    exercise=N_("Now yourself: move the knob to a place where both of these hold."),
    goal=(GoalBound(quantity="accuracy", low=98.0), GoalBound(quantity="layer_zeros", low=117600.0)),
    solved=N_(
        "Reached. What is lost beyond this place, training can often win back: that is the page Recover."
    ),
    quiz=(
        QuizQuestion(
            text=N_("Why do the smallest weights go first?"),
            answers=(
                QuizAnswer(
                    text=N_("They change the sums of the layer least."),
                    feedback=N_("Yes: what is close to zero adds next to nothing."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("They were trained least."),
                    feedback=N_("How long a weight was trained is not looked at, only its size is."),
                ),
                QuizAnswer(
                    text=N_("They take the most space in the file."),
                    feedback=N_("Every weight of a dense layer takes the same space, large or small."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("Nine in ten weights of fc1 are zero. What happened to the other layers?"),
            answers=(
                QuizAnswer(
                    text=N_("Nothing: their weights are as before."),
                    feedback=N_("Yes: one layer was pruned, and only what it puts out has changed."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("They lost as many weights."),
                    feedback=N_("No: with that, {everywhere} would be read rightly, and not {after}."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("What wins back accuracy that pruning lost?"),
            answers=(
                QuizAnswer(
                    text=N_("Training the weights that are left."),
                    feedback=N_("Yes: they learn to make up for those that went, which stay zero."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("Rounding the weights that are left."),
                    feedback=N_("That makes the file smaller still, and loses a little more."),
                ),
                QuizAnswer(
                    text=N_("Removing the same share in every layer."),
                    feedback=N_("That is what hurt most: {everywhere}."),
                ),
            ),
        ),
    ),
)
