"""What a lint looks at, and what it returns.

A lint is a function from a ``Subject`` to places with findings. It may look at everything and changes
nothing. It reports only what is certain from the files alone: a warning that is wrong once is switched off
for ever.

A lint does not see the files. Of a large configuration they take as much memory as what was made of them, so
they are read once more only when that is gone; whoever has to know what a file says, or what it calls an
entity, returns a function that makes the finding then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dbless_gateway.config.drafts import Draft, Finding
from dbless_gateway.config.entities import Entities, Where
from dbless_gateway.config.records import dataclass
from dbless_gateway.lint.places import Places
from dbless_gateway.routing.router import Router
from dbless_gateway.snapshot.plan import CompiledRoute


@dataclass(frozen=True, slots=True)
class Subject:
    """One valid configuration."""

    entities: Entities
    router: Router[CompiledRoute]
    flavor: str


# Makes a finding of the draft at a place, or none.
Later = Callable[[Draft, Places], Finding | None]
Found = Iterator[tuple[Where, Finding | Later]]
Lint = Callable[[Subject], Found]
