"""dbless-gateway explain: tell more about one thing.

What is told depends on what is asked: a single argument is the code of a problem. Each subject has a module
of its own; this one only chooses.
"""

from __future__ import annotations

from dbless_gateway.cli import explain_code


def main(argv: list[str]) -> int:
    """Explain what the arguments name."""
    return explain_code.main(argv)
