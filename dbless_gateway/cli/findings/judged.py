"""One judged configuration, as every form of output gets it."""

from __future__ import annotations

from collections.abc import Mapping

from dbless_gateway.config.problems import Problem
from dbless_gateway.config.records import dataclass
from dbless_gateway.lint.places import Places


@dataclass(frozen=True, slots=True)
class Judged:
    """``name`` is what the user called it; ``texts`` are the sources by file name."""

    name: str
    problems: list[Problem]
    texts: Mapping[str, str]
    places: Places
    strict: bool

    def count(self, severity: str) -> int:
        """Return how many problems of a severity there are."""
        return sum(problem.severity == severity for problem in self.problems)

    def failed(self) -> bool:
        """Tell whether the configuration does not pass."""
        return self.count("error") > 0 or (self.strict and bool(self.problems))
