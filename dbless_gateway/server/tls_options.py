"""From the TLS settings to what listeners need: a policy, and the certificates that are shown by default.

Everything is tried out here, so that a cipher that OpenSSL does not know or a key of another certificate is
an error of the settings, told before anything listens.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from dbless_gateway.server.setting_values import Values
from dbless_gateway.snapshot.certificates import INTERMEDIATE_CIPHERS, TlsPolicy, server_context
from dbless_gateway.snapshot.key_pairs import KeyPair
from dbless_gateway.snapshot.target_tls import TargetTlsPolicy

# Whose settings are meant: the prefix of their names by kind of listener.
PREFIXES: Mapping[str, str] = MappingProxyType({"proxy": "ssl", "admin": "admin_ssl", "status": "status_ssl"})


class _Suite(NamedTuple):
    protocols: tuple[str, ...]
    ciphers: str | None
    prefers_own: bool


# Kong's, which are Mozilla's recommendations.
_OLD_CIPHERS = (
    ":ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"
    ":ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA"
    ":DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA256:AES128-GCM-SHA256:AES256-GCM-SHA384"
    ":AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA:DES-CBC3-SHA:@SECLEVEL=0"
)
_SUITES = {
    "modern": _Suite(("TLSv1.3",), None, False),
    "intermediate": _Suite(("TLSv1.2", "TLSv1.3"), INTERMEDIATE_CIPHERS, False),
    "old": _Suite(("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"), INTERMEDIATE_CIPHERS + _OLD_CIPHERS, True),
    "fips": _Suite(("TLSv1.2",), "TLSv1.2+FIPS:kRSA+FIPS:!eNULL:!aNULL", True),
}


def tls_policies(values: Values, errors: list[str]) -> Mapping[str, TlsPolicy]:
    """Return the policy of each kind of listener; what is wrong with them is added to the errors."""
    common = _common_policy(values, errors)
    return {kind: _with_clients(common, kind, values, errors) for kind in PREFIXES}


def _with_clients(common: TlsPolicy, kind: str, values: Values, errors: list[str]) -> TlsPolicy:
    """Add what clients of this kind of listener must show; there is no such setting for the Status API."""
    verify = values.values.get(f"nginx_{kind}_ssl_verify_client", "off")
    if verify == "off":
        return common
    authorities: str | None = values[f"nginx_{kind}_ssl_client_certificate"]
    if authorities is None:
        errors.append(f"nginx_{kind}_ssl_client_certificate must be specified to verify clients")
    return replace(common, client_authorities=authorities, verify_client=verify)


def _common_policy(values: Values, errors: list[str]) -> TlsPolicy:
    suite = _SUITES.get(values["ssl_cipher_suite"]) or _Suite(
        values["ssl_protocols"], values["ssl_ciphers"] or None, values["ssl_prefer_server_ciphers"]
    )
    policy = TlsPolicy(
        protocols=suite.protocols,
        ciphers=suite.ciphers,
        prefers_own_ciphers=suite.prefers_own,
        session_tickets=values["ssl_session_tickets"],
        dhparam_file=values["ssl_dhparam"],
    )
    try:
        server_context(policy, ())
    except (ssl.SSLError, ValueError) as error:
        errors.append(f"ssl_ciphers: {_reason(error)}")
    return policy


def default_pairs(kind: str, values: Values, errors: list[str]) -> tuple[KeyPair, ...]:
    """Return the certificates of a kind of listener as the settings give them; none: they are to be made."""
    return pairs_of(PREFIXES[kind], values, errors)


def pairs_of(prefix: str, values: Values, errors: list[str]) -> tuple[KeyPair, ...]:
    """Return the certificates with keys of the two settings that begin with this prefix."""
    name = f"{prefix}_cert"
    certs: Sequence[str] = values[name]
    keys: Sequence[str] = values[f"{name}_key"]
    if len(certs) != len(keys):
        errors.append(_count_error(name, len(certs), len(keys)))
        return ()
    pairs = tuple(KeyPair(cert, key) for cert, key in zip(certs, keys, strict=True))
    for pair in pairs:
        try:
            server_context(TlsPolicy(ciphers=None), [pair])
        except ssl.SSLError as error:
            errors.append(f"{name}: {_reason(error)}")
    return pairs


def listener_certificates(pairs: Mapping[str, Sequence[KeyPair]]) -> tuple[tuple[str, str], ...]:
    """Return the certificates that listeners show by default, with the setting that each is from."""
    return tuple(
        (f"{PREFIXES[kind]}_cert" + (f" {number}" if number > 1 else ""), pair.cert)
        for kind, given in sorted(pairs.items())
        for number, pair in enumerate(given, 1)
    )


def target_policy(values: Values, errors: list[str]) -> TargetTlsPolicy:
    """Return what holds for services that say nothing; what is wrong with it is added to the errors."""
    pairs = pairs_of("client_ssl", values, errors) if values["client_ssl"] else ()
    return TargetTlsPolicy(
        verify=values["nginx_proxy_proxy_ssl_verify"],
        depth=values["nginx_proxy_proxy_ssl_verify_depth"],
        trusted_file=values["nginx_proxy_proxy_ssl_trusted_certificate"]
        or values["lua_ssl_trusted_certificate"],
        client_pair=pairs[0] if pairs else None,
    )


def _count_error(name: str, certs: int, keys: int) -> str:
    if not keys:
        return f"{name}_key must be specified"
    if not certs:
        return f"{name} must be specified"
    return f"{name} was specified {certs} times while {name}_key was specified {keys} times"


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error.args[-1]).replace("_", " ").lower()
