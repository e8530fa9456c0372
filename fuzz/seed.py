"""Write the messages of tests/compat/wire as saved inputs of the fuzz target: a good place to start from.

python fuzz/seed.py
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.compat.wire import test_framing, test_heads, test_responses

CORPUS = Path(__file__).with_name("corpus")
# Larger messages only trip limits, and make every mutation slow.
_MESSAGE_BYTES_MAX = 1000


def client_messages() -> Iterator[bytes]:
    """Yield what clients send."""
    for length in test_framing.REFUSED_LENGTHS.values():
        yield test_framing.post(test_framing.CL + length, body=b"abc")
    for raw, _ in test_framing.REFUSED_FRAMINGS.values():
        yield raw
    for passed, _ in test_framing.PASSED_FRAMINGS.values():
        yield passed
    for body in test_framing.REFUSED_CHUNKS.values():
        yield test_framing.chunked(body)
    for good, _ in test_framing.PASSED_CHUNKS.values():
        yield test_framing.chunked(good)
    for line, _ in test_heads.REFUSED_LINES.values():
        yield line
    for fields, _ in test_heads.REFUSED_FIELDS.values():
        yield fields
    for field, _ in test_heads.PASSED_FIELDS.values():
        yield test_heads.get(field)


def target_messages() -> Iterator[bytes]:
    """Yield what targets send."""
    yield from test_responses.REFUSED.values()
    yield from test_responses.LIES.values()
    for raw, _ in test_responses.PASSED.values():
        yield raw


def inputs() -> Iterator[bytes]:
    """Yield each message with a first byte that says who speaks, and where it is cut."""
    for number, message in enumerate(client_messages()):
        yield bytes([number % 0x80]) + message
    for number, message in enumerate(target_messages()):
        yield bytes([0x80 | (number % 0x40)]) + message


def main() -> None:
    """Write one file for each, named by its content."""
    CORPUS.mkdir(exist_ok=True)
    for data in inputs():
        if len(data) <= _MESSAGE_BYTES_MAX:
            (CORPUS / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)


if __name__ == "__main__":
    main()
