"""When certificates expire: of entities and of listeners, the first one first."""

from __future__ import annotations

from dbless_gateway.config.certificates import expires_at
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.server.load_messages import LoadRequest
from dbless_gateway.server.loader import check
from tests.support.authority import Authority, Pem, rsa_key
from tests.support.config import document

AUTHORITY = Authority()
FIRST, LAST = "0" * 8 + "-0000-4000-8000-000000000001", "0" * 8 + "-0000-4000-8000-000000000002"


def entity(pem: Pem, certificate_id: str, *names: str, **fields: str) -> dict[str, object]:
    return {
        "id": certificate_id,
        "cert": pem.cert,
        "key": pem.key,
        "snis": [{"name": name} for name in names],
        **fields,
    }


def request(text: str, *listeners: tuple[str, str]) -> LoadRequest:
    return LoadRequest((), (("kong.yaml", text),), ProxyOptions(), listener_certificates=listeners)


def test_all_kinds_in_the_order_in_which_they_expire() -> None:
    soon, late, own = (AUTHORITY.issue("a.test", days=days) for days in (5, 9, 7))
    authority = {"id": LAST, "cert": AUTHORITY.cert}
    text = document(
        certificates=[entity(late, LAST), entity(soon, FIRST, "a.test", "b.test")],
        ca_certificates=[authority],
    )
    found = check(request(text, ("ssl_cert", own.cert))).certificates
    assert [(c.kind, c.name, c.sni) for c in found] == [
        ("certificate", FIRST, "a.test"),
        ("listener", "ssl_cert", ""),
        ("certificate", LAST, ""),
        ("ca_certificate", LAST, ""),
    ]
    assert found[0].expires_at == expires_at(soon.cert).timestamp()


def test_of_two_certificates_of_an_entity_the_first_to_expire_counts() -> None:
    main, other = AUTHORITY.issue("a.test", days=9), AUTHORITY.issue("a.test", days=4, key=rsa_key())
    text = document(certificates=[entity(main, FIRST, cert_alt=other.cert, key_alt=other.key)])
    ends = [expiry.expires_at for expiry in check(request(text)).certificates]
    assert ends == [expires_at(other.cert).timestamp()]


def test_a_secret_that_is_no_certificate_is_left_out() -> None:
    assert check(request(document(), ("ssl_cert", "no certificate"))).certificates == ()
