"""Ids that requests are correlated by: how they are made, and who is told.

The part of correlation-id that runs for each request, in a module of its own because it is compiled.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.log_values import set_log_value

# Drawing random bytes is a system call, so one draw is for many ids.
_UUIDS_AT_ONCE: Final = 64
_UUID_DIGITS: Final = 32
# Version 4 has two fixed bits in front of the digit that begins the fourth group (RFC 9562 section 5.4).
_VARIANT_DIGITS: Final = "89ab"

Generate = Callable[[Context], str]


class RandomUuids:
    """Makes random UUIDs of version 4."""

    __slots__ = ("_digits",)

    def __init__(self) -> None:
        # Drawn on first use: who uses this may be made before the workers are forked, and each needs its own.
        self._digits = ""

    def next(self) -> str:
        """Return another one."""
        digits = self._digits or os.urandom(_UUIDS_AT_ONCE * _UUID_DIGITS // 2).hex()
        self._digits = digits[_UUID_DIGITS:]
        variant = _VARIANT_DIGITS[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


class UuidGenerator:
    """A random id for each request."""

    __slots__ = ("_uuids",)

    def __init__(self) -> None:
        self._uuids = RandomUuids()

    def make(self, ctx: Context) -> str:
        """Return the id of a request."""
        return self._uuids.next()


class CounterGenerator:
    """One random id per process, and a number."""

    __slots__ = ("_last", "_prefix")

    def __init__(self) -> None:
        self._prefix = ""
        self._last = 0

    def make(self, ctx: Context) -> str:
        """Return the id of a request."""
        if not self._prefix:
            self._prefix = RandomUuids().next() + "#"
        self._last += 1
        return self._prefix + str(self._last)


class Correlation:
    """Keeps the client's id of a request, or makes one."""

    __slots__ = ("_echoes", "_generate", "_header_name", "_note")

    def __init__(self, header_name: str, generate: Generate, note: str, *, echoes: bool) -> None:
        self._header_name = header_name
        self._generate = generate
        self._note = note  # under which the response's side finds it
        self._echoes = echoes

    def name_request(self, ctx: Context) -> None:
        """Name the request to the target and to the logs; the access step."""
        name = self._header_name
        correlation_id = ctx.headers.get(name)
        if correlation_id is not None:
            correlation_id = correlation_id.strip()
        if not correlation_id:
            correlation_id = self._generate(ctx)
            ctx.upstream.headers.set(name, correlation_id)
        set_log_value(ctx, "correlation_id", correlation_id)
        if self._echoes:
            ctx.shared[self._note] = correlation_id

    def name_response(self, ctx: Context) -> None:
        """Name the request to the client, also when access never ran; the header_filter step."""
        name = self._header_name
        correlation_id = ctx.shared.get(self._note) or ctx.headers.get(name) or self._generate(ctx)
        ctx.response.headers.set(name, correlation_id)
