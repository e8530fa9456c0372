"""What the compiled build asks of classes beyond what Python does.

mypyc tells the cyclic collector of an attribute once for each class that declares it. Declared in a class and
again in its base, one reference is subtracted twice, and the collector clears objects that are in use.
"""

from __future__ import annotations

import ast
from pathlib import Path

import dbless_gateway

PACKAGE = Path(dbless_gateway.__file__).parent


def _declared(definition: ast.ClassDef) -> set[str]:
    """Return the attributes that a class gives a type, in its body or on ``self``."""
    typed = [node.target for node in ast.walk(definition) if isinstance(node, ast.AnnAssign)]
    in_body = {node.target for node in definition.body if isinstance(node, ast.AnnAssign)}
    on_self = {
        target.attr
        for target in typed
        if isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    }
    return on_self | {target.id for target in in_body if isinstance(target, ast.Name)}


def _declared_twice(sources: list[str]) -> list[str]:
    definitions = {
        node.name: node
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
    }

    def inherited(definition: ast.ClassDef) -> set[str]:
        bases = [
            definitions[base.id]
            for base in definition.bases
            if isinstance(base, ast.Name) and base.id in definitions
        ]
        return set().union(*(_declared(base) | inherited(base) for base in bases))

    return sorted(
        f"{name}.{attribute}"
        for name, definition in definitions.items()
        for attribute in _declared(definition) & inherited(definition)
    )


def test_no_attribute_is_declared_twice() -> None:
    assert _declared_twice([path.read_text() for path in PACKAGE.rglob("*.py")]) == []


def test_one_that_is_would_be_found() -> None:
    base = "class A:\n    a: int\n    def f(self):\n        self.b: int = 1\n"
    heir = "class B(A): pass\nclass C(B):\n    c: int\n"
    heir += "    def f(self):\n        self.a: int = 1\n        self.b: int = 2\n"

    assert _declared_twice([base, heir]) == ["C.a", "C.b"]
