"""What a lint is given, and what it gives back.

A lint is a function from a ``Subject`` to places with findings. It may look at everything and changes
nothing. It reports only what is certain from the files alone: a warning that is wrong once is switched off
for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dbless_gateway.config.drafts import Draft, Finding
from dbless_gateway.config.entities import Entities
from dbless_gateway.config.records import dataclass
from dbless_gateway.lint.places import Places
from dbless_gateway.routing.router import Router
from dbless_gateway.snapshot.plan import CompiledRoute


@dataclass(frozen=True, slots=True)
class Subject:
    """One valid configuration."""

    entities: Entities
    places: Places
    router: Router[CompiledRoute]
    flavor: str


Found = Iterator[tuple[Draft, Finding]]
Lint = Callable[[Subject], Found]
