"""Imports beside the loop: what is needed, and how the interpreter is left."""

from __future__ import annotations

import subprocess
import sys

from dbless_gateway.server.importing import import_gently, not_yet_imported

# In a process of its own: this one has imported whatever the tests before needed.
FRESH = """
import sys
from dbless_gateway.server.importing import import_gently, not_yet_imported
print(not_yet_imported(["cors", "acl", "cors", "no-such-plugin", "../evil"]))
before = sys.getswitchinterval()
import_gently(not_yet_imported(["cors", "acl"]))
print("dbless_gateway.plugins.cors" in sys.modules, sys.getswitchinterval() == before)
print(not_yet_imported(["cors", "acl"]))
"""


def test_what_has_not_been_imported_is() -> None:
    ended = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == [
        "['dbless_gateway.plugins.cors', 'dbless_gateway.plugins.acl']",
        "True True",
        "[]",
    ]


def test_what_cannot_be_imported_is_for_others_to_tell() -> None:
    before = sys.getswitchinterval()
    import_gently(["no_such_module_anywhere"])
    assert sys.getswitchinterval() == before
    assert not_yet_imported([]) == []
