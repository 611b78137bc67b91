"""Sparsity and speed: zeros alone make a checkpoint neither smaller nor faster."""

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
    title=N_("Neither smaller nor faster? Zeros, files and speed"),
    order=40,
    model="lenet300",
    layer="fc1",
    knob=LessonKnob(
        label=N_("Weights removed in every layer"),
        technique="magnitude",
        knob="sparsity",
        places=(0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
        factor=100,
        unit="%",
    ),
    prediction=LessonPrediction(
        label=N_("Checkpoint with nine in ten weights zero"),
        quantity="dense_bytes",
        at=0.9,
        low=0.0,
        high=5000.0,
        step=10.0,
        near=20.0,
    ),
    readouts=("dense_bytes", "sparse_bytes", "file_bytes", "accuracy"),
    numbers={
        "before": LessonNumber(quantity="dense_bytes"),
        "after": LessonNumber(quantity="dense_bytes", at=0.9),
        "sparse_low": LessonNumber(quantity="sparse_bytes", at=0.4),
        "sparse": LessonNumber(quantity="sparse_bytes", at=0.9),
        "mask": LessonNumber(quantity="file_bytes", at=0.9),
        "macs_before": LessonNumber(quantity="multiplications"),
        "macs": LessonNumber(quantity="multiplications", at=0.9),
    },
    question=N_(
        "A shelf of a hundred boxes does not get shorter because ninety of them are empty. This network has "
        "{parameters} numbers of 4 bytes each.\n\nIn every layer the smallest **nine in ten weights** "
        "become zero, and the network is saved as a checkpoint, as torch writes it. How large is that "
        "checkpoint, in KiB (1,024 bytes)?"
    ),
    why=N_(
        "A dense tensor has a place for each weight, and a zero fills its place like any other number: "
        "{after}, and {before} before. The same holds for speed: the processor multiplies by zero as it "
        "does by anything else."
    ),
    formula=(
        r"\begin{gathered} B_{\mathrm{dense}} = 4n, \quad B_{\mathrm{CSR}} \approx 8\,(1 - s)\,n \\"
        r" B_{\mathrm{mask}} \approx \tfrac{n}{8} + 4\,(1 - s)\,n \end{gathered}"
    ),
    these_numbers=N_(
        "At a share of zeros s = 0.9 a sparse file holds a value and a column for each weight that is left: "
        "{sparse}. One with a bit for each place says which are left: {mask}. Multiplications in a dense "
        "pass: {macs}, and {macs_before} before."
    ),
    surprise=N_(
        "At 40 % zeros the sparse file takes {sparse_low}, **more** than the dense one with {before}: its "
        "indices cost as much as the values. Sparse kernels need still more zeros before they are faster; "
        "the page Deploy measures that on this machine."
    ),
    exercise=N_("Now yourself: find a place from which the sparse file is worth it."),
    goal=(GoalBound(quantity="sparse_bytes", high=900.0), GoalBound(quantity="accuracy", low=90.0)),
    solved=N_("Reached. What is written and sent in the end is the packed file: see Is it small? on Deploy."),
    quiz=(
        QuizQuestion(
            text=N_("A layer has 90 % zeros. What makes the checkpoint smaller?"),
            answers=(
                QuizAnswer(
                    text=N_("Writing positions and values of those that are left."),
                    feedback=N_("Yes: the format has to leave the zeros out; the zeros alone do nothing."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("Nothing has to be done, zeros take no space."),
                    feedback=N_("They do: the checkpoint takes {after}, as before."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("Why is the sparse file larger than the dense one at few zeros?"),
            answers=(
                QuizAnswer(
                    text=N_("Each weight that is left needs its column as well."),
                    feedback=N_("Yes: 8 bytes in place of 4, so it pays from half zeros on."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("It holds the zeros twice."),
                    feedback=N_("It holds no zero at all; what costs is where the others are."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("What makes a pruned network faster on every machine?"),
            answers=(
                QuizAnswer(
                    text=N_("Removing whole neurons or channels."),
                    feedback=N_("Yes: then the matrices themselves get smaller."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("Setting single weights to zero."),
                    feedback=N_("A dense pass still multiplies {macs} times."),
                ),
            ),
        ),
    ),
)
