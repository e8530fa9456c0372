"""What plugins add to the log record of an exchange, whether anybody logs it or not.

A module of its own because it is compiled: that nobody logs should cost next to nothing.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from dbless_gateway.pdk.context import Context

Mode = Literal["set", "add", "replace"]

LOG_VALUES: Final = "log.values"


def set_log_value(ctx: Context, path: str, value: Any, mode: Mode = "set") -> None:
    """Put a value into the record of this exchange; None takes the field away. The path is dotted.

    Mode ``add`` leaves a field alone that is there, ``replace`` one that is not.
    """
    notes = ctx.shared
    values = notes.get(LOG_VALUES)
    if values is None:
        notes[LOG_VALUES] = [(path, value, mode)]
    else:
        values.append((path, value, mode))
