"""What requests counted, in the text format of Prometheus.

A scrape of thousands of services is a hundred thousand lines. Series never move in their memory, so what is
known of them is kept from one scrape to the next: a scrape reads numbers and puts them into texts, a whole
histogram at a time, and parses only series that are new.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from itertools import accumulate

from dbless_gateway.runtime.metrics import FIRST_WORD, METRICS, SharedMetrics

_BUCKET, _SUM = "_bucket", "_sum"


class Exposition:
    """The text of all series; safe to use in threads."""

    def __init__(self, metrics: SharedMetrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._known_end = FIRST_WORD
        self._families: Mapping[str, _Counter | _Histogram] = {
            name: _Histogram(name, metric.bounds) if metric.bounds else _Counter(name)
            for name, metric in METRICS.items()
        }

    def render(self) -> str:
        """Return all series, sorted, with help and type before each metric."""
        with self._lock:
            self._learn()
            return "".join(self._parts())

    def _learn(self) -> None:
        # First the end: a worker may append while the series before it are read.
        end = self._metrics.end
        for text, cells in self._metrics.series(self._known_end, end):
            name, _, labels = text[:-1].partition("{")
            family = self._families.get(name.removesuffix(_BUCKET).removesuffix(_SUM))
            if family is not None:
                family.learn(name, labels, cells)
        self._known_end = end

    def _parts(self) -> Iterator[str]:
        for name, family in self._families.items():
            if family.has_series:
                metric = METRICS[name]
                yield f"# HELP {name} {metric.help_text}\n# TYPE {name} {metric.kind}\n"
                yield from family.parts(self._metrics)


class _Counter:
    """The series of one counter: by labels, where its cells are."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._cells: dict[str, int] = {}
        self._is_sorted = True

    @property
    def has_series(self) -> bool:
        return bool(self._cells)

    def learn(self, name: str, labels: str, cells: int) -> None:
        self._cells[labels] = cells
        self._is_sorted = False

    def parts(self, metrics: SharedMetrics) -> Iterator[str]:
        if not self._is_sorted:
            self._cells = dict(sorted(self._cells.items()))
            self._is_sorted = True
        name, value = self._name, metrics.value
        for labels, cells in self._cells.items():
            yield f"{name}{{{labels}}} {value(cells)}\n"


class _Histogram:
    """The series of one histogram: by labels, where the cells of its buckets and of its sum are.

    Buckets below the least value so far are not shown, as Kong makes them when they are first hit.
    """

    def __init__(self, name: str, bounds: tuple[int, ...]) -> None:
        self._name = name
        self._places = {str(bound): place for place, bound in enumerate((*bounds, "+Inf"))}
        self._sum = len(self._places)
        self._cells: dict[str, list[int]] = {}
        self._is_sorted = True
        # From the first bucket shown on: what stands between the labels, with a place for each number.
        lines = [f'le="{bound}"}} %d\n' for bound in self._places]
        start = f"{name}{_BUCKET}{{"
        self._pieces = [
            [start, *(line + start for line in lines[first:-1]), lines[-1]] for first in range(len(lines))
        ]

    @property
    def has_series(self) -> bool:
        return bool(self._cells)

    def learn(self, name: str, labels: str, cells: int) -> None:
        place = self._sum
        if name.endswith(_BUCKET):
            labels, _, bound = labels.rpartition('le="')
            labels, place = labels.removesuffix(","), self._places[bound[:-1]]
        known = self._cells.get(labels)
        if known is None:
            known = self._cells[labels] = [0] * (self._sum + 1)
            self._is_sorted = False
        known[place] = cells

    def parts(self, metrics: SharedMetrics) -> Iterator[str]:
        if not self._is_sorted:
            self._cells = dict(sorted(self._cells.items()))
            self._is_sorted = True
        name, value = self._name, metrics.value
        for labels, places in self._cells.items():
            *counts, total = [value(cells) if cells else 0 for cells in places]
            sums = list(accumulate(counts))
            # The last one is always shown.
            first = next((place for place, count in enumerate(counts) if count), len(counts) - 1)
            escaped = labels.replace("%", "%%")
            buckets = f"{escaped}," if labels else ""
            yield buckets.join(self._pieces[first]) % tuple(sums[first:])
            yield f"{name}_count{{{labels}}} {sums[-1]}\n{name}{_SUM}{{{labels}}} {total}\n"
