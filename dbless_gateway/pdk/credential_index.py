"""An index over all credentials of a kind, which a plugin looks into at each request.

A plugin's module declares it as ``INDEX``. The compiler then builds it before the first handler is made, in
slices, because ten thousand credentials in one go would hold a serving loop up for longer than a request
takes. Where a handler is made without the compiler, as in a test, it is built when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Generic, TypeVar

from dbless_gateway.pdk.identity import Consumer, Credential, Identities

T = TypeVar("T")

# Credentials between two yields; each costs 1 to 2 us.
SLICE = 64


class CredentialIndex(Generic[T]):
    """See the module. ``name`` is the index's own, ``kind`` that of the credentials.

    ``make`` makes an empty one, ``add`` puts a credential into it, with its consumer if that exists. What
    ``make`` makes is a dict, or has its dicts in an attribute ``tables``: that is how it is emptied later.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        make: Callable[[], T],
        add: Callable[[T, Credential, Consumer | None], None],
    ) -> None:
        self._name = name
        self._kind = kind
        self._make = make
        self._add = add

    def of(self, identities: Identities) -> T:
        """Return the index of a configuration."""
        return identities.index(self._name, self._build)

    def build_steps(self, identities: Identities) -> Generator[None, None, None]:
        """Build it in slices, for ``of`` to find; nothing is kept when ``add`` raises."""
        if identities.has_index(self._name):
            return
        index = self._make()
        yield from self._fill_steps(index, identities)
        identities.index(self._name, lambda _: index)

    def _build(self, identities: Identities) -> T:
        index = self._make()
        for _ in self._fill_steps(index, identities):
            pass
        return index

    def _fill_steps(self, index: T, identities: Identities) -> Generator[None, None, None]:
        add, consumer = self._add, identities.consumer
        for number, credential in enumerate(identities.credentials(self._kind), 1):
            add(index, credential, consumer(credential.consumer))
            if number % SLICE == 0:
                yield
