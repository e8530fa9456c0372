"""A mistake found while reading a file, before there is a document that could name its place.

Readers know positions only as packed numbers (see ``document``). ``Fatal`` ends the reading of one file and
never leaves ``config/``: ``load`` turns it into a problem on the spot.
"""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """A code, packed start and end, and the message."""

    code: str
    start: int
    end: int
    message: str
    suggestion: str | None = None


class Fatal(Exception):
    """Nothing more can be read from this file."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault
