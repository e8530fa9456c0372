"""What DNS said about a name, as a value: addresses with their ports and weights, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Record(NamedTuple):
    """One address. Only SRV answers name a port and a weight of their own."""

    ip: str
    name: str  # the name that has this address: of the SRV record, else the name asked for
    port: int  # 0: the asker's
    weight: int | None  # None: the asker's


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of resolving one name; ``records`` is empty exactly when ``error`` is set."""

    kind: str  # "A", "AAAA", "SRV"; empty for a failure
    records: tuple[Record, ...]
    ttl_s: float
    error: str | None = None
    missing: bool = False  # the servers said that there is nothing, rather than failing to answer
