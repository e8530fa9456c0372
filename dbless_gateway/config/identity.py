"""Ids of entities that have none in the file.

Kong derives most of them from names, so the same file gives the same ids everywhere; the namespaces and keys
here are its own, and tests hold its vectors. Where Kong draws a random id (an unnamed route, an API key) we
derive one too, from the place among its siblings: an id that changes with every reload would throw away
counters and health. It never depends on a secret, because ids are shown and a short secret could be guessed
from its hash.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha1

# Without the ``uuid`` module, which asks the operating system about itself when it is imported.
_ROOT = bytes.fromhex("fd02801f09574a15a55ac8d9606f30b5")


@lru_cache(maxsize=64)
def namespace(collection: str) -> bytes:
    """Return the namespace of a collection's ids."""
    return bytes.fromhex(uuid5(_ROOT, collection).replace("-", ""))


def derived_id(collection: str, key: str) -> str:
    """Return the id that Kong gives to the entity with this key."""
    return uuid5(namespace(collection), key)


def keyed_id(collection: str, values: list[str]) -> str:
    """Return the id of an entity that is identified by several fields together."""
    return derived_id(collection, ":".join((collection, "*", *values)))


def number_of(entity_id: str) -> int:
    """Return an id as one number, which orders ids as their texts are ordered."""
    return int(entity_id.replace("-", ""), 16)


def uuid5(space: bytes, name: str) -> str:
    """Return the UUID of a name within a namespace (RFC 9562 section 5.5)."""
    digest = bytearray(
        sha1(space + name.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()[:16]
    )
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
