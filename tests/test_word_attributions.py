"""Attributions of words: against Captum's own, plain loops and definitions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.loading.items import checked_items
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.explain.alike_maps import original_maps
from compress_core.measure.explain.asked_answer import predicted_class
from compress_core.measure.explain.attribution import (
    attribute,
    attributed_in_batches,
    method_named,
    offered_methods,
)
from compress_core.measure.explain.explanation import Explanation, explain
from compress_core.network.input_field import InputField
from compress_core.network.named_inputs import inputs_by_name, with_border
from compress_core.network.word_row import word_row_of
from compress_core.recipe.reading import parse_recipe
from compress_core.subject.subject import Subject
from tests.test_named_inputs import LENGTH, WORDS, Bag, Reader, _words, reader_network

OF_WORDS = ("saliency", "input_x_gradient", "integrated_gradients", "occlusion")


def _subject(cover: int | None = None) -> Subject:
    subject = subject_from_network(reader_network(), checked_items(_words(), None), "reader")
    ids, mask = subject.input.fields
    form = replace(subject.input, fields=(replace(ids, cover=cover, values=WORDS), mask))
    network = with_border(reader_network(), form.border).requires_grad_(requires_grad=False)
    return replace(subject, network=network, input=form)


@pytest.fixture(scope="module")
def subject() -> Subject:
    return _subject()


def _rows(subject: Subject, count: int = 5) -> Tensor:
    return subject.split("validation").inputs[:count]


def _maps(subject: Subject, method: str, rows: Tensor, targets: Tensor) -> Tensor:
    return attribute(subject.network, rows, targets, method_named(method), subject.input.baseline)


TARGETS = torch.tensor([0, 1, 2, 1, 0])


def _from_vectors(vectors: Tensor, mask: Tensor) -> Tensor:
    """The scores of the plain network, which is given vectors in the place of words."""
    plain = reader_network()
    plain.words.forward = lambda _: vectors  # type: ignore[method-assign]  # a plain stand-in
    scores: Tensor = plain(torch.zeros(vectors.shape[:2], dtype=torch.long), mask)["logits"]
    return scores


def _by_name(subject: Subject, rows: Tensor) -> tuple[Tensor, Tensor]:
    given = inputs_by_name(subject.input.fields, rows)
    return given["input_ids"], given["attention_mask"]


def test_saliency_and_input_x_gradient_are_those_of_the_vectors_summed_over_their_width(
    subject: Subject,
) -> None:
    rows = _rows(subject)
    words, mask = _by_name(subject, rows)
    vectors = reader_network().words(words).detach().requires_grad_()
    score = _from_vectors(vectors, mask).gather(1, TARGETS[:, None]).sum()
    (slope,) = torch.autograd.grad(score, vectors)
    torch.testing.assert_close(_maps(subject, "saliency", rows, TARGETS), slope.sum(2))
    expected = (slope * vectors).sum(2).detach()
    torch.testing.assert_close(_maps(subject, "input_x_gradient", rows, TARGETS), expected)


def test_integrated_gradients_are_captums_of_the_layer(subject: Subject) -> None:
    from captum.attr import LayerIntegratedGradients

    rows, plain = _rows(subject), reader_network()
    words, mask = _by_name(subject, rows)
    layer = LayerIntegratedGradients(lambda ids, there: plain(ids, there)["logits"], plain.words)
    expected = layer.attribute(
        words, torch.zeros_like(words), TARGETS, additional_forward_args=(mask,), n_steps=50
    )
    found = next(
        attributed_in_batches(
            subject.network,
            rows,
            TARGETS,
            method_named("integrated_gradients"),
            subject.input.baseline,
            refine=False,
        )
    )
    torch.testing.assert_close(found.maps, expected.sum(2).detach())


def test_integrated_gradients_add_up_to_the_change_from_the_blank_words(subject: Subject) -> None:
    rows = _rows(subject)
    _, mask = _by_name(subject, rows)
    with torch.no_grad():
        blank = reader_network().words(torch.zeros(len(rows), LENGTH, dtype=torch.long))
        change = subject.network(rows) - _from_vectors(blank, mask)
    (found,) = attributed_in_batches(
        subject.network,
        rows,
        TARGETS,
        method_named("integrated_gradients"),
        subject.input.baseline,
    )
    expected = change.gather(1, TARGETS[:, None])[:, 0]
    assert float(found.gap.max()) < 0.02
    torch.testing.assert_close(found.maps.sum(1), expected, atol=0.02 * float(expected.abs().max()), rtol=0)


@pytest.mark.parametrize("cover", [None, 7])
def test_occlusion_is_what_a_score_loses_when_a_word_is_hidden(cover: int | None) -> None:
    subject = _subject(cover)
    rows = _rows(subject)
    words, mask = _by_name(subject, rows)
    plain, expected = reader_network(), torch.zeros(len(rows), LENGTH)
    with torch.no_grad():
        before = plain(words, mask)["logits"].gather(1, TARGETS[:, None])[:, 0]
        for place in range(LENGTH):
            hidden = words.clone()
            hidden[:, place] = 0 if cover is None else cover
            lost = before - plain(hidden, mask)["logits"].gather(1, TARGETS[:, None])[:, 0]
            expected[:, place] = torch.where(mask[:, place] == 1, lost, 0.0)
    torch.testing.assert_close(_maps(subject, "occlusion", rows, TARGETS), expected)


@pytest.mark.parametrize("method", OF_WORDS)
def test_a_batch_is_explained_like_its_items_and_the_network_stays_as_it_is(
    subject: Subject, method: str
) -> None:
    rows = _rows(subject)
    hooks = [len(module._forward_hooks) for module in subject.network.modules()]
    together = _maps(subject, method, rows, TARGETS)
    apart = [_maps(subject, method, rows[i : i + 1], TARGETS[i : i + 1]) for i in range(len(rows))]
    torch.testing.assert_close(together, torch.cat(apart), atol=1e-6, rtol=1e-4)
    assert [len(module._forward_hooks) for module in subject.network.modules()] == hooks


def test_methods_for_words_are_on_offer_and_feature_maps_are_not(subject: Subject) -> None:
    offered = {method.name for method in offered_methods(subject.network, _rows(subject, 1))}
    assert offered == set(OF_WORDS)
    with pytest.raises(Refused, match="GradCAM needs a convolution"):
        _maps(subject, "grad_cam", _rows(subject), TARGETS)


class ByHand(nn.Module):
    """Reads words without an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(WORDS, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(nn.functional.one_hot(x, WORDS).float().sum(1))


class Turned(Reader):
    """Looks its words up in another order than they stand in."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:  # type: ignore[override]  # less
        x = self.words(input_ids.t()).transpose(0, 1)
        return self.out(x * attention_mask.unsqueeze(2)).sum(1)


@pytest.mark.parametrize("network", [ByHand, Bag])
def test_words_that_no_embedding_reads_are_refused(network: Callable[[], nn.Module]) -> None:
    rows = torch.from_numpy(_words(3)["input_ids"])
    for method in OF_WORDS:
        with pytest.raises(Refused, match="words that an embedding reads"):
            attribute(
                network().eval(), rows, torch.zeros(3, dtype=torch.long), method_named(method), rows[:1]
            )


def test_words_that_are_read_otherwise_than_they_stand_are_refused(subject: Subject) -> None:
    network = with_border(Turned().eval(), subject.input.border)
    for method in OF_WORDS:
        with pytest.raises(Refused, match="none of its embeddings reads them as they stand"):
            attribute(network, _rows(subject), TARGETS, method_named(method), subject.input.baseline)


class Twice(nn.Module):
    """Two tables of unequal width read the same words, a third one their places."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Embedding(WORDS, 4), nn.Embedding(WORDS, 3)
        self.places, self.out = nn.Embedding(LENGTH, 7), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        places = self.places(torch.arange(x.shape[1])).expand(len(x), -1, -1)
        return self.out((torch.cat([self.one(x), self.other(x)], 2) + places).mean(1))


def test_all_tables_that_read_the_words_count_and_no_other() -> None:
    torch.manual_seed(3)
    network = Twice().eval().requires_grad_(requires_grad=False)
    rows = torch.from_numpy(_words(4)["input_ids"])
    targets = torch.tensor([0, 1, 2, 0])
    vectors = torch.cat([network.one(rows), network.other(rows)], 2)
    blank = torch.cat([network.one(rows * 0), network.other(rows * 0)], 2)
    expected = (network.out.weight[targets][:, None] * (vectors - blank) / LENGTH).sum(2)
    for method in ("integrated_gradients", "occlusion"):
        (found,) = attributed_in_batches(network, rows, targets, method_named(method), rows[:1] * 0)
        torch.testing.assert_close(found.maps, torch.where(rows != 0, expected, 0.0))
        assert found.place == "one, other"


class Shifted(Reader):
    """Looks its words up, and in the same table the words before them."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:  # type: ignore[override]  # less
        before = torch.cat([torch.zeros_like(input_ids[:, :1]), input_ids[:, :-1]], 1)
        there = attention_mask.unsqueeze(2)
        return self.out(((self.words(input_ids) + self.words(before) ** 2) * there).sum(1))


def test_a_table_that_is_asked_for_other_words_too_answers_those_itself(subject: Subject) -> None:
    torch.manual_seed(7)
    network = Shifted().eval().requires_grad_(requires_grad=False)
    bordered, rows = with_border(network, subject.input.border), _rows(subject)
    words, mask = _by_name(subject, rows)
    maps = attribute(bordered, rows, TARGETS, method_named("saliency"), subject.input.baseline)
    expected = network.out.weight[TARGETS].sum(1)[:, None] * mask
    torch.testing.assert_close(maps, expected)
    assert bool((words != 0).any())


class Speaker(nn.Module):
    """Answers at each word, with what the words up to it say."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.out = nn.Embedding(WORDS, 6), nn.Linear(6, WORDS)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.out(torch.tanh((self.words(input_ids) * attention_mask.unsqueeze(2)).cumsum(1)))


def test_a_network_that_answers_at_each_word_is_asked_about_the_last_or_the_chosen_one(
    subject: Subject,
) -> None:
    torch.manual_seed(5)
    network = with_border(Speaker().eval().requires_grad_(requires_grad=False), subject.input.border)
    rows = _rows(subject)
    _, mask = _by_name(subject, rows)
    last, items = mask.sum(1) - 1, torch.arange(len(rows))
    with torch.no_grad():
        answers = network(rows)
    assert torch.equal(predicted_class(network, rows), answers[items, last].argmax(1))
    chosen = torch.ones(len(rows), dtype=torch.long)
    assert torch.equal(predicted_class(network, rows, chosen), answers[items, 1].argmax(1))
    for at, seen in ((None, last), (chosen, chosen)):
        targets = predicted_class(network, rows, at)
        maps = torch.cat(
            [
                found.maps
                for found in attributed_in_batches(
                    network, rows, targets, method_named("saliency"), subject.input.baseline, at=at
                )
            ]
        )
        later = torch.arange(LENGTH) > seen[:, None]
        assert bool((maps[later] == 0).all())
        assert bool((maps[items, seen] != 0).all())


CUT = {"groups": [{"match": "hidden", "steps": [{"technique": "magnitude", "share_removed": 0.25}]}]}
FACTORED = {"layers": [{"match": "words", "steps": [{"technique": "low_rank", "rank": 6}]}]}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [CUT, FACTORED])
@pytest.mark.parametrize("method", OF_WORDS)
def test_a_compressed_network_is_explained_at_the_same_table(recipe: object, method: str) -> None:
    subject = _subject()
    model = compress(subject, parse_recipe(recipe), Store())  # type: ignore[arg-type]  # plain values
    found = _explained(subject, model.network(), method)
    assert (found.place_before, found.place_after) == ("words", "words")
    assert np.isfinite(found.after).all()
    assert found.items["spearman"].median() > 0.5


def _explained(subject: Subject, after: nn.Module, method: str) -> Explanation:
    return result_of(
        explain(
            subject.network, after, _rows(subject, 24), method_named(method), subject.input.baseline, seed=3
        )
    )


@pytest.mark.parametrize("method", OF_WORDS)
def test_the_noise_ceiling_lies_above_the_random_floor_and_the_support_is_the_words_that_are_there(
    subject: Subject, method: str
) -> None:
    found = _explained(subject, subject.network, method)
    words, mask = _by_name(subject, _rows(subject, 24))
    assert np.array_equal(found.support, ((mask == 1) & (words != 0)).numpy())
    assert found.items["spearman"].median() == 1
    ceiling, floor = found.noise["spearman"].median(), found.chance("spearman").median
    assert 0.8 < ceiling <= 1
    assert floor < ceiling - 0.3
    assert 0 < found.noise_deviation < 0.1
    assert bool((found.noise["cosine"] < 1 - 1e-9).any()), "noise is on the vectors, whatever the method asks"


def test_noise_of_an_item_does_not_depend_on_what_it_is_explained_with(subject: Subject) -> None:
    rows, method = _rows(subject, 8), method_named("integrated_gradients")
    known = original_maps(subject.network, rows, method, subject.input.baseline)
    alike = known.noise_ceiling(subject.network, 1)
    assert alike.value is not None
    assert 0.8 < alike.value <= 1


def test_many_maps_are_of_the_words_that_are_asked_about(subject: Subject) -> None:
    torch.manual_seed(5)
    network = with_border(Speaker().eval().requires_grad_(requires_grad=False), subject.input.border)
    rows, method = _rows(subject, 8), method_named("saliency")
    first = torch.zeros(8, dtype=torch.long)
    known = original_maps(network, rows, method, subject.input.baseline, at=first)
    assert bool((known.maps[:, 1:] == 0).all())
    assert bool((known.maps[:, 0] != 0).all())
    assert known.alike(network).value == 1


def test_where_words_stand_follows_from_the_names_of_the_inputs() -> None:
    kinds = InputField("token_type_ids", (4,), "whole", 2)
    ids, mask = (
        InputField("input_ids", (4,), "whole", 50, blank=3, cover=9),
        InputField("mask", (4,), "truth"),
    )
    row = word_row_of((mask, kinds, ids), 12)
    assert row is not None
    assert (row.start, row.length, row.mask, row.blank, row.cover) == (8, 4, 0, 3, 9)
    assert word_row_of((InputField("x", (4,)), mask), 8) is None
    rows = torch.tensor([[1, 1, 1, 0, 0, 0, 0, 0, 5, 3, 6, 7]])
    assert row.there(rows).tolist() == [[True, False, True, False]]
    assert row.last(rows).tolist() == [2]
    assert row.with_words(rows, torch.tensor([[8, 8]])).tolist()[0][8:] == [8, 8, 6, 7]
