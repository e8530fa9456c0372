"""Everything that a plugin may import.

To plugins of others ``plugin``, ``context``, ``reply``, ``schema``, ``identity`` and ``testing`` are promised
(docs/reference/pdk.md; ``tests/typing`` holds them to it). The other modules are what bundled plugins share, and
may change with any version.
"""
