"""Slices of a configuration: small, and the same when put together."""

from __future__ import annotations

import pickle

import pytest

from dbless_gateway.config.slices import Assembler, to_slices
from tests.compat.config.cases import accept

TEXT = "services:\n" + "".join(f"- {{name: s{n}, host: h, routes: [{{paths: [/{n}]}}]}}\n" for n in range(25))


@pytest.mark.parametrize("per_slice", [1, 10, 25, 1000])
def test_round_trip(per_slice: int) -> None:
    entities = accept(TEXT)
    assembler = Assembler()
    for piece in to_slices(entities, per_slice):
        assembler.add(piece)
    assert assembler.entities() == entities


def test_a_slice_holds_no_more_than_it_should() -> None:
    for piece in to_slices(accept(TEXT), 10):
        name, rows = pickle.loads(piece)
        assert not name or len(rows) <= 10


def test_an_empty_configuration() -> None:
    entities = accept("services: []")
    (piece,) = to_slices(entities)
    assembler = Assembler()
    assembler.add(piece)
    assert assembler.entities() == entities
