"""Frozen dataclasses for plugins that come with the gateway.

They are imported before every commit, by ``validate``; those of ``dataclasses`` take ten times as long to make.
Any other plugin uses ``dataclasses``: there is no difference but the time.
"""

from __future__ import annotations

from dbless_gateway.config.records import dataclass, field, replace

__all__ = ["dataclass", "field", "replace"]
