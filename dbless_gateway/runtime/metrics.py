"""Counts of requests for Prometheus, over all workers of the node, which outlive every worker and every
reload.

Series lie one behind the other in shared memory: the name with its labels as text, and a cell for each
worker. A worker only ever adds to its own cell, so counting takes no lock; a new series is appended under
one. Whoever reads adds the cells up, at any time and in any process. Rules of the file:

1. The text of a series is what Prometheus shows, so reading needs no second format. Series never move.
2. A histogram counts each value in one bucket only; ``metrics_text.py`` adds them up.
3. Memory is bounded: when it is full, new series are not counted, and ``kong_nginx_metric_errors_total`` says
   so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from dbless_gateway.runtime.metric_cells import Add, Cell, Histogram
from dbless_gateway.runtime.sharedmem import HEADER_BYTES, SharedMemory

DEFAULT_BYTES = 64 * 1024 * 1024

# Words of the header, behind the hashing key (four words).
_END = 4  # where the next series goes, in words from the start of the memory
_WORKERS = 5
_ERRORS = 6

# Where the first series goes.
FIRST_WORD = HEADER_BYTES // 8

_LATENCIES_MS = (25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000)
_PLUGIN_LATENCIES_US = (50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000, 1000000, 10000000)
_KONG_LATENCIES_MS = (1, 2, 5, 7, 10, 15, 20, 30, 50, 75, 100, 200, 500, 750, 1000, 3000, 6000)
_SERVED = ("service", "route")


class RequestMetric(NamedTuple):
    """A metric that requests fill; ``bounds`` are the upper bounds of a histogram's buckets."""

    kind: str
    help_text: str
    labels: tuple[str, ...]
    counted_if: str  # for a person
    bounds: tuple[int, ...] = ()


# By name: Kong's where Kong has the metric, otherwise one that begins with ``dbless_``.
METRICS: Mapping[str, RequestMetric] = MappingProxyType(
    {
        "kong_bandwidth_bytes": RequestMetric(
            "counter",
            "Total bandwidth (ingress/egress) throughput in bytes",
            (*_SERVED, "direction", "workspace", "consumer"),
            "`bandwidth_metrics`",
        ),
        "kong_http_requests_total": RequestMetric(
            "counter",
            "HTTP status codes per consumer/service/route in Kong",
            (*_SERVED, "code", "source", "workspace", "consumer"),
            "`status_code_metrics`",
        ),
        "kong_kong_latency_ms": RequestMetric(
            "histogram",
            "Latency added by Kong in ms",
            (*_SERVED, "workspace"),
            "`latency_metrics`",
            _KONG_LATENCIES_MS,
        ),
        "kong_request_latency_ms": RequestMetric(
            "histogram",
            "Total latency of a request in ms",
            (*_SERVED, "workspace"),
            "`latency_metrics`",
            _LATENCIES_MS,
        ),
        "kong_upstream_latency_ms": RequestMetric(
            "histogram",
            "Latency added by the upstream in ms",
            (*_SERVED, "workspace"),
            "`latency_metrics`",
            _LATENCIES_MS,
        ),
        "dbless_plugin_latency_us": RequestMetric(
            "histogram",
            "Time in a phase of a plugin that is not bundled, in us",
            ("plugin", "phase"),
            "there is such a plugin",
            _PLUGIN_LATENCIES_US,
        ),
        "dbless_queue_lost_entries_total": RequestMetric(
            "counter",
            "Entries that the queues of plugins could not deliver",
            ("queue",),
            "an entry was lost",
        ),
    }
)

Labels = Sequence[tuple[str, str]]


class SharedMetrics:
    """The series of a node, as one worker counts them; satisfies ``pdk.plugin.Metrics``."""

    def __init__(self, memory: SharedMemory, worker: int) -> None:
        self._memory = memory
        self._words = memory.words
        self._worker = worker
        self._workers = memory.words[_WORKERS]
        self._places: dict[str, int] = {}
        self._known_end = FIRST_WORD

    @classmethod
    def create(cls, *, size_bytes: int = DEFAULT_BYTES, workers: int = 1) -> SharedMetrics:
        """Make an empty memory; pages cost nothing until they are used."""
        memory = SharedMemory.create("dbless-metrics", size_bytes, locking=workers > 1)
        memory.words[_END] = FIRST_WORD
        memory.words[_WORKERS] = workers
        return cls(memory, 0)

    @classmethod
    def attach(cls, fd: int, *, worker: int, workers: int) -> SharedMetrics:
        """Map the memory that another process made, to count as this worker."""
        return cls(SharedMemory(fd, locking=workers > 1), worker)

    @property
    def fd(self) -> int:
        """Return the descriptor to hand to other processes."""
        return self._memory.fd

    def counter(self, name: str, labels: Labels) -> Add:
        """Return what adds to a counter."""
        place = self._place(_series(name, labels))
        return self._adder(place)

    def histogram(self, name: str, labels: Labels) -> Add:
        """Return what counts a value; buckets are made when they are first hit, and the sum with the first
        of them: what was never measured is not shown.
        """
        bounds = METRICS[name].bounds

        def make_bucket(index: int) -> Add:
            bound = str(bounds[index]) if index < len(bounds) else "+Inf"
            return self._adder(self._place(_series(f"{name}_bucket", (*labels, ("le", bound)))))

        def make_sum() -> Add:
            return self._adder(self._place(_series(f"{name}_sum", labels)))

        return Histogram(bounds, make_bucket, make_sum).observe

    def read(self) -> dict[str, int]:
        """Return the value of every series, over all workers."""
        return {text: self.value(cells) for text, cells in self.series(FIRST_WORD, self.end)}

    @property
    def end(self) -> int:
        """Return the word behind the last series."""
        return self._words[_END]

    def series(self, start: int, end: int) -> Iterator[tuple[str, int]]:
        """Yield the text of each series and where its cells begin, between two words that were ends."""
        words, data = self._words, self._memory.data
        while start < end:
            length = words[start]
            raw = data[(start + 1) * 8 : (start + 1) * 8 + length]
            cells = start + 1 + -(-length // 8)
            yield raw.decode("utf-8", "replace"), cells
            start = cells + self._workers

    def value(self, cells: int) -> int:
        """Return the value of a series, over all workers."""
        if self._workers == 1:
            return self._words[cells]
        return sum(self._words[cells : cells + self._workers])

    @property
    def errors(self) -> int:
        """Return how many series were not counted for want of memory."""
        return self._words[_ERRORS]

    def close(self) -> None:
        """Give this process's mapping back."""
        self._memory.close()

    def _adder(self, place: int) -> Add:
        return Cell(self._words, place).add if place else _ignore

    def _place(self, text: str) -> int:
        """Return where this worker's cell of a series is; 0 when there is no room for it."""
        place = self._places.get(text)
        if place is not None:
            return place
        with self._memory.exclusive(0, HEADER_BYTES):
            for found, cells in self.series(self._known_end, self.end):
                self._places[found] = cells + self._worker
            self._known_end = self._words[_END]
            return self._places[text] if text in self._places else self._append(text)

    def _append(self, text: str) -> int:
        raw = text.encode("utf-8", "replace")
        start = self._words[_END]
        text_words = -(-len(raw) // 8)
        cells = start + 1 + text_words
        if (cells + self._workers) * 8 > len(self._memory.data):
            self._words[_ERRORS] += 1
            return 0
        self._words[start] = len(raw)
        self._memory.data[(start + 1) * 8 : (start + 1) * 8 + len(raw)] = raw
        self._words[_END] = self._known_end = cells + self._workers
        self._places[text] = cells + self._worker
        return cells + self._worker


def escape(text: str) -> str:
    """Return a label's value as it stands between quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _series(name: str, labels: Labels) -> str:
    return name + "{" + ",".join(f'{label}="{escape(value)}"' for label, value in labels) + "}"


def _ignore(amount: int) -> None:
    """Count nothing: there was no room for the series."""
