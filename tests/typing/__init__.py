"""Type-checked, never run: what users' own type checkers see."""
