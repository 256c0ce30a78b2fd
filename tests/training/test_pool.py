"""The pool of pictures made a while ago."""

from __future__ import annotations

import random

import torch

from cimgen_qt.training.pool import ImagePool


def fed(pool: ImagePool, values: range) -> list[int]:
    return [int(pool.query(torch.full((1, 1, 1, 1), float(value)))) for value in values]


def test_the_order_is_that_of_the_reference() -> None:
    random.seed(0)
    assert fed(ImagePool(2), range(10)) == [0, 1, 1, 3, 2, 5, 4, 6, 0, 7]


def test_a_pool_that_was_kept_goes_on_alike() -> None:
    random.seed(0)
    pool = ImagePool(2)
    fed(pool, range(5))
    again = ImagePool(2)
    again.load(pool.state(), torch.device("cpu"))
    random.seed(1)
    wanted = fed(pool, range(5, 15))
    random.seed(1)
    assert fed(again, range(5, 15)) == wanted


def test_an_empty_pool_is_kept_as_nothing() -> None:
    pool = ImagePool(2)
    assert pool.state() == {}
    fed(pool, range(2))
    pool.load({}, torch.device("cpu"))
    assert pool.state() == {}


def test_without_size_all_goes_through_without_gradient() -> None:
    made = torch.rand(2, 3, 4, 4, requires_grad=True)
    found = ImagePool(0).query(made)
    assert torch.equal(found, made) and not found.requires_grad


def test_each_picture_of_a_batch_is_exchanged_by_itself() -> None:
    random.seed(0)
    found = ImagePool(2).query(torch.arange(10.0).view(10, 1, 1, 1))
    assert found.flatten().tolist() == [0, 1, 1, 3, 2, 5, 4, 6, 0, 7]


def test_what_is_kept_does_not_hold_the_way_back() -> None:
    pool = ImagePool(2)
    pool.query(torch.rand(1, 3, 4, 4, requires_grad=True) * 2)
    assert not pool.state()["images"].requires_grad
