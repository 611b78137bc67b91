"""What accuracy hides: one class pays for all, and answers change that no average shows."""

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

RANK_50 = {"layers": [{"match": "fc1", "steps": [{"technique": "low_rank", "rank": 50}]}]}

LESSON = Lesson(
    title=N_("Who is hurt? What accuracy hides"),
    order=50,
    model="lenet300",
    layer="fc1",
    knob=LessonKnob(
        label=N_("Weights of fc1 removed"),
        technique="magnitude",
        knob="sparsity",
        match="fc1",
        places=(0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
        factor=100,
        unit="%",
    ),
    prediction=LessonPrediction(
        label=N_("Change of the digit that loses most, with four in five weights removed"),
        quantity="worst_class_change",
        at=0.8,
        low=-100.0,
        high=0.0,
        step=0.5,
        near=1.0,
    ),
    readouts=("worst_class_change", "accuracy_change", "changed_answers"),
    numbers={
        "mean": LessonNumber(quantity="accuracy_change", at=0.8),
        "worst": LessonNumber(quantity="worst_class_change", at=0.8),
        "lost": LessonNumber(quantity="right_to_wrong", at=0.8),
        "won": LessonNumber(quantity="wrong_to_right", at=0.8),
        "rank_change": LessonNumber(quantity="accuracy_change", recipe=RANK_50),
        "rank_churn": LessonNumber(quantity="changed_answers", recipe=RANK_50),
        "rank_lost": LessonNumber(quantity="right_to_wrong", recipe=RANK_50),
        "rank_won": LessonNumber(quantity="wrong_to_right", recipe=RANK_50),
    },
    question=N_(
        "A school's mean mark fell a little. It may be that everybody lost a little, or that one class lost "
        "very much.\n\nThis network reads {accuracy} of its validation digits rightly. Remove the smallest "
        "**four in five weights** of fc1, and accuracy over all ten digits falls by two to three points. By "
        "how many points does the digit fall that loses most? Write a loss as a negative number."
    ),
    why=N_(
        "The weights that go are not spread evenly over what the network knows: they were few for some "
        "digits and many for another. Over all digits accuracy changes by {mean}; the digit that loses most "
        "changes by {worst}."
    ),
    formula=r"\Delta = \frac{n_+ - n_-}{N}, \qquad c = \frac{\#\{\hat y' \ne \hat y\}}{N}",
    these_numbers=N_(
        "{lost} items were right before and are wrong now; {won} were wrong and are right now. Accuracy "
        "sees only the difference."
    ),
    surprise=N_(
        "With fc1 at rank 50 accuracy changes by {rank_change}: no loss at all, it seems. Yet {rank_churn} "
        "of all answers are others than before: {rank_lost} became wrong and {rank_won} became right. "
        "Whoever relied on those answers does notice."
    ),
    exercise=N_("Now yourself: find a place where no digit pays for the others."),
    goal=(
        GoalBound(quantity="worst_class_change", low=-2.0),
        GoalBound(quantity="changed_answers", low=0.1, high=1.0),
    ),
    solved=N_("Reached. The page Behavior shows each item whose answer changed, and how sure all this is."),
    quiz=(
        QuizQuestion(
            text=N_("Accuracy is the same as before. May answers have changed?"),
            answers=(
                QuizAnswer(
                    text=N_("Yes: as many may have become right as wrong."),
                    feedback=N_("Yes: at rank 50 it was {rank_lost} against {rank_won}."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("No: then every answer is the same."),
                    feedback=N_(
                        "At rank 50 accuracy changed by {rank_change}, and {rank_churn} of the answers did."
                    ),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("Why look at each class?"),
            answers=(
                QuizAnswer(
                    text=N_("A mean can hide that one class lost most."),
                    feedback=N_("Yes: {worst} for one digit where the mean is {mean}."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("Because classes have names."),
                    feedback=N_("The names do not matter; how unevenly the loss falls does."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("The worst of ten classes seems to have lost something. How sure is that?"),
            answers=(
                QuizAnswer(
                    text=N_("Less than for one class picked beforehand."),
                    feedback=N_(
                        "Yes: of ten, one is always worst. Intervals for all ten together account for that."
                    ),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("As sure as for all items together."),
                    feedback=N_(
                        "A class has a tenth of the items, and it was picked because it looked worst."
                    ),
                ),
            ),
        ),
    ),
)
