"""Structure: a neuron takes the inputs of the next layer along."""

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

SINGLE = {"layers": [{"match": "fc1", "steps": [{"technique": "magnitude", "sparsity": 0.5}]}]}

LESSON = Lesson(
    title=N_("What shrinks together? Whole neurons"),
    order=60,
    model="lenet300",
    layer="fc1",
    knob=LessonKnob(
        label=N_("Neurons of fc1 removed"),
        technique="magnitude",
        knob="share_removed",
        match="fc1",
        of_groups=True,
        places=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        factor=100,
        unit="%",
    ),
    prediction=LessonPrediction(
        label=N_("Numbers left in the network with half of the neurons of fc1 removed"),
        quantity="parameters",
        at=0.5,
        low=0.0,
        high=300000.0,
        step=100.0,
        near=2000.0,
    ),
    readouts=("parameters", "accuracy", "dense_bytes", "multiplications"),
    numbers={
        "before": LessonNumber(quantity="parameters"),
        "after": LessonNumber(quantity="parameters", at=0.5),
        "accuracy": LessonNumber(quantity="accuracy", at=0.5),
        "macs_before": LessonNumber(quantity="multiplications"),
        "macs": LessonNumber(quantity="multiplications", at=0.5),
        "single": LessonNumber(quantity="accuracy", recipe=SINGLE),
        "single_macs": LessonNumber(quantity="multiplications", recipe=SINGLE),
    },
    question=N_(
        "When a supplier closes, its orders vanish, and so do the shelves that waited for its goods. A "
        "neuron is such a supplier.\n\nThis network has {parameters} numbers in three layers: 784 inputs, "
        "fc1 with 300 neurons, fc2 with 100 and fc3 with 10, each neuron with a bias. **Half of the 300 "
        "neurons** of fc1 are removed. How many numbers has the network left?"
    ),
    why=N_(
        "A neuron takes with it its own 784 weights and its bias, and in fc2 the 100 weights that read it: "
        "885 numbers each. So of {before} numbers {after} are left, and no zero stays behind."
    ),
    formula=r"\Delta = k\,(n_{\text{in}} + 1 + n_{\text{out}})",
    these_numbers=N_(
        "k = 150 neurons, 784 inputs each, 100 readers each. A pass multiplies {macs} times, and "
        "{macs_before} times before: on every machine, without a special kernel."
    ),
    surprise=N_(
        "The same half removed as **single weights** keeps {single} accuracy and still multiplies "
        "{single_macs} times; as whole neurons it keeps {accuracy}. What is gained in speed is paid for in "
        "accuracy, until training wins it back."
    ),
    exercise=N_("Now yourself: find a place where both of these hold."),
    goal=(GoalBound(quantity="multiplications", high=215000.0), GoalBound(quantity="accuracy", low=98.0)),
    solved=N_("Reached. On Tune, under What shrinks together, each group of the network has its own knob."),
    quiz=(
        QuizQuestion(
            text=N_("Neurons of fc1 go. Which other layer changes its shape?"),
            answers=(
                QuizAnswer(
                    text=N_("fc2, which reads them."),
                    feedback=N_("Yes: it loses an input for each neuron that is gone."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("fc3, which gives the answer."),
                    feedback=N_("It reads fc2 alone, and that has as many neurons as before."),
                ),
                QuizAnswer(
                    text=N_("None."),
                    feedback=N_("Then fc2 would wait for inputs that nobody sends any more."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("Why may neurons of the last layer not be removed?"),
            answers=(
                QuizAnswer(
                    text=N_("Each of them is the score of a class."),
                    feedback=N_("Yes: without it that class could never be the answer."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("They have the largest weights."),
                    feedback=N_("Their size does not matter: each stands for a class."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("What do whole neurons save that single weights do not?"),
            answers=(
                QuizAnswer(
                    text=N_("Multiplications in an ordinary dense pass."),
                    feedback=N_("Yes: {macs} in place of {macs_before}."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("Accuracy."),
                    feedback=N_(
                        "No: with single weights {single} are read rightly, with neurons {accuracy}."
                    ),
                ),
            ),
        ),
    ),
)
