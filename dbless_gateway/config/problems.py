"""A problem: something wrong in a configuration file, as a value.

Mistakes of a person are collected and returned, never raised; an exception inside ``config/`` means a bug of
ours.
"""

from __future__ import annotations

from dbless_gateway.config.records import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. Lines and columns count from 1; ``end_*`` point just behind the offending text.

    ``path`` is the place in the document (``services[0].routes[1].paths[0]``), ``entity`` the same as a
    person would say it (``service "users" > route "get"``), ``code`` a stable identifier, ``severity``
    ``error`` or ``warning``. ``field`` is Kong's own error path (1-based, relative to the entity) for Admin
    API answers. ``offset`` is the character of the field's text at which it goes wrong, where the compiler knows it
    and nobody has looked for its place yet.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    severity: str
    code: str
    path: str
    entity: str
    message: str
    suggestion: str | None = None
    field: str | None = None
    offset: int | None = None

    def headline(self) -> str:
        """Return the line that editors can jump to; the suggestion goes below it."""
        return f"{self._marked()}{self._placed()}"

    def one_line(self) -> str:
        """Return everything in one line, for logs and wherever else a problem has no more than that."""
        return f"{self._marked()}{self.text()}"

    def text(self) -> str:
        """Return what is wrong where in the document, and what would be right."""
        return self._placed() + (f" ({self.suggestion})" if self.suggestion else "")

    def _marked(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.severity}[{self.code}] "

    def _placed(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message
