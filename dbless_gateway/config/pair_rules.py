"""Certificates, private keys, tokens: values that must fit each other, beyond what one field can show.

Values that are vault references are not known yet and are left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from dbless_gateway.config.certificates import (
    certificate_fault,
    key_kind,
    matches_key,
    private_key_fault,
    public_key_fault,
    public_matches_private,
)
from dbless_gateway.config.drafts import Finding
from dbless_gateway.config.jwk import can_be_loaded
from dbless_gateway.config.validate import is_vault_reference

Fields = Mapping[str, Any]

# Algorithms whose public key must be there and be readable; the ES family is not checked by Kong either.
_CHECKED_ALGORITHMS = ("RS", "PS", "Ed")


def check_pairs(collection: str, fields: Fields, wrong: set[str]) -> list[Finding]:
    """Return what does not fit in one entity; fields in ``wrong`` are already reported."""
    check = _CHECKS.get(collection)
    return check(fields, wrong) if check is not None else []


def _known(fields: Fields, *names: str) -> bool:
    return all(isinstance(fields.get(name), str) and not is_vault_reference(fields[name]) for name in names)


def _certificate(fields: Fields, wrong: set[str]) -> list[Finding]:
    findings = []
    comparable = not wrong & {"cert", "key"} and _known(fields, "cert", "key")
    if comparable and not matches_key(fields["cert"], fields["key"]):
        findings.append(Finding(("key",), "certificate/mismatch", "certificate does not match key"))
    if wrong & {"cert_alt", "key_alt"} or not _known(fields, "cert_alt", "key_alt"):
        return findings
    if not matches_key(fields["cert_alt"], fields["key_alt"]):
        message = "alternative certificate does not match key"
        findings.append(Finding(("key_alt",), "certificate/mismatch", message))
    if (
        "cert" not in wrong
        and _known(fields, "cert")
        and key_kind(fields["cert"]) == key_kind(fields["cert_alt"])
    ):
        message = (
            "certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), "
            "the provided certificates were both of the same type"
        )
        findings.append(Finding(("cert_alt",), "certificate/same-kind", message))
    return findings


def _jwt_secret(fields: Fields, wrong: set[str]) -> list[Finding]:
    algorithm = fields.get("algorithm") or ""
    if wrong & {"algorithm", "rsa_public_key"} or not algorithm.startswith(_CHECKED_ALGORITHMS):
        return []
    if not _known(fields, "rsa_public_key"):
        return []
    pem = fields["rsa_public_key"]
    if public_key_fault(pem) is not None and certificate_fault(pem) is not None:
        return [Finding(("rsa_public_key",), "key/invalid", "invalid key")]
    return []


def _key(fields: Fields, wrong: set[str]) -> list[Finding]:
    findings = []
    if "jwk" not in wrong and _known(fields, "jwk"):
        findings += _jwk(fields["jwk"], fields.get("kid"))
    pem = fields.get("pem")
    if "pem" not in wrong and isinstance(pem, dict):
        findings += _pem(pem)
    return findings


def _jwk(text: str, kid: object) -> list[Finding]:
    try:
        jwk = json.loads(text)
    except (ValueError, RecursionError):
        return [Finding(("jwk",), "key/invalid", "could not json decode jwk string")]
    if isinstance(jwk, dict) and kid is not None and jwk.get("kid") != kid:
        return [Finding(("jwk",), "key/invalid", "kid in jwk.kid must be equal to keys.kid")]
    if not isinstance(jwk, dict) or not can_be_loaded(jwk):
        return [Finding(("jwk",), "key/invalid", "could not load JWK, likely not a valid key")]
    return []


def _pem(pem: Fields) -> list[Finding]:
    findings = []
    private_good = _known(pem, "private_key") and private_key_fault(pem["private_key"]) is None
    public_good = _known(pem, "public_key") and public_key_fault(pem["public_key"]) is None
    if not pem.get("private_key") and not pem.get("public_key"):
        names = "'private_key', 'public_key'"
        message = f"at least one of these fields must be non-empty: {names}"
        findings.append(Finding(("pem",), "rule/one-of", message))
    if _known(pem, "private_key") and not private_good:
        findings.append(Finding(("pem", "private_key"), "key/invalid", "could not load private key"))
    if _known(pem, "public_key") and not public_good:
        findings.append(Finding(("pem", "public_key"), "key/invalid", "could not load public key"))
    if private_good and public_good and not public_matches_private(pem["public_key"], pem["private_key"]):
        message = "public key does not match private key"
        findings.append(Finding(("pem", "public_key"), "key/invalid", message))
    return findings


def _vault(fields: Fields, wrong: set[str]) -> list[Finding]:
    name = fields.get("name")
    if name in {None, "env"}:
        return []
    return [Finding(("name",), "vault/unknown", f"vault '{name}' is not installed")]


def _route_addresses(fields: Fields, wrong: set[str]) -> list[Finding]:
    findings = []
    for field in ("sources", "destinations"):
        for index, match in enumerate(fields.get(field) or ()):
            if field not in wrong and match["ip"] is None and match["port"] is None:
                message = "at least one of these fields must be non-empty: 'ip', 'port'"
                findings.append(Finding((field, index), "rule/one-of", message))
    return findings


_CHECKS: Mapping[str, Callable[[Fields, set[str]], list[Finding]]] = MappingProxyType(
    {
        "certificates": _certificate,
        "jwt_secrets": _jwt_secret,
        "keys": _key,
        "vaults": _vault,
        "routes": _route_addresses,
    }
)
