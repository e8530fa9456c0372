"""References to secrets as values of settings: ``KONG_ADMIN_TOKEN={vault://env/token}``.

As in Kong, an item of a list may be a reference, too, and one without a value is an error: a gateway must not
start with an empty secret.
"""

from __future__ import annotations

from collections.abc import Mapping

from dbless_gateway.config.masking import masked_text
from dbless_gateway.config.validate import VAULT_PREFIX, is_vault_reference
from dbless_gateway.config.vaults import EnvironmentVaults, Unresolved


class SettingReferences:
    """Replaces references, and remembers what they stood for, because nobody may see it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._vaults = EnvironmentVaults({}, environ)
        self._secrets: list[str] = []

    def has_any(self, text: str) -> bool:
        """Tell whether a value is, or has among its items, a reference."""
        return VAULT_PREFIX in text and any(map(is_vault_reference, _items(text)))

    def resolve(self, text: str) -> str:
        """Return the value with what its references stand for; raises ``Unresolved``."""
        return ",".join(
            self._resolve_item(item) if is_vault_reference(item) else item for item in _items(text)
        )

    def without_secrets(self, message: str) -> str:
        """Return a message that quotes none of the values."""
        return masked_text(message, self._secrets)

    def _resolve_item(self, reference: str) -> str:
        try:
            value = self._vaults.resolve(reference)
        except Unresolved as reason:
            raise Unresolved(f"failed to dereference '{reference}': {reason}") from None
        self._secrets += [value, *filter(None, value.split(","))]
        return value


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")]
