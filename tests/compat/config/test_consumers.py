"""Consumers, credentials, groups: what Kong's entity schemas accept and refuse."""

# One case is one row, however long.
# ruff: noqa: E501

from __future__ import annotations

import pytest

from tests.compat.config.cases import Rejected, accept, load_text, reject


def _consumer(body: str) -> str:
    return f"consumers:\n- username: c\n  {body}\n"


REFUSED = [
    Rejected("rule/one-of", "at least one of these fields must be non-empty: 'custom_id', 'username'", "consumers: [§{}]\n"),
    Rejected("rule/one-of", "at least one of these fields", "consumers:\n- §tags: [a]\n"),
    Rejected("schema/type", "expected a string", "consumers:\n- username: §5\n"),
    Rejected("schema/length", "length must be at least 1", "consumers:\n- username: §''\n"),
    Rejected("schema/type", "expected a string", "consumers:\n- custom_id: §[a]\n"),
    Rejected("schema/unknown-field", "unknown field", _consumer("§name: x")),
    Rejected("schema/unknown-field", "unknown field", _consumer("§group: x")),
    Rejected("unique/value", "'consumers' entity with username set to 'c'", _consumer("") + "- username: §c\n"),
    Rejected("unique/value", "'consumers' entity with custom_id set to '5'", "consumers:\n- {username: a, custom_id: '5'}\n- {username: b, custom_id: §'5'}\n"),
    # Keys.
    Rejected("schema/type", "expected a string", _consumer("keyauth_credentials: [{key: §5}]")),
    Rejected("schema/length", "length must be at least 1", _consumer("keyauth_credentials: [{key: §''}]")),
    Rejected("schema/range", "value must be at least 0", _consumer("keyauth_credentials: [{key: a, ttl: §-1}]")),
    Rejected("schema/unknown-field", "unknown field", _consumer("keyauth_credentials: [{§apikey: a}]")),
    Rejected("schema/unknown-field", "unknown field", _consumer("§key_auth_credentials: [{key: a}]")),
    Rejected("schema/required", "required field missing", "keyauth_credentials:\n- §key: a\n"),
    Rejected("reference/missing", "invalid reference 'consumer: x' (no such entry in 'consumers')", "keyauth_credentials: [{key: a, consumer: §x}]\n"),
    Rejected("unique/value", "with key set to '***' already declared", _consumer("keyauth_credentials: [{key: a}, {key: §a}]")),
    # Basic.
    Rejected("schema/required", "required field missing", _consumer("basicauth_credentials: [§{username: a}]")),
    Rejected("schema/required", "required field missing", _consumer("basicauth_credentials: [§{password: a}]")),
    Rejected("schema/type", "expected a string", _consumer("basicauth_credentials: [{username: a, password: §12}]")),
    Rejected("unique/value", "with username set to 'a'", _consumer("basicauth_credentials: [{username: a, password: b}, {username: §a, password: c}]")),
    Rejected("schema/unknown-field", "unknown field", _consumer("basicauth_credentials: [{username: a, password: b, §secret: c}]")),
    # HMAC.
    Rejected("schema/required", "required field missing", _consumer("hmacauth_credentials: [§{secret: a}]")),
    Rejected("schema/type", "expected a string", _consumer("hmacauth_credentials: [{username: a, secret: §on}]")),
    Rejected("unique/value", "with username set to 'a'", _consumer("hmacauth_credentials: [{username: a}, {username: §a}]")),
    # JWT.
    Rejected("schema/enum", "expected one of: HS256, HS384, HS512", _consumer("jwt_secrets: [{key: a, algorithm: §HS1}]")),
    Rejected("schema/required", "required field missing", _consumer("jwt_secrets: [§{key: a, algorithm: RS256}]")),
    Rejected("key/invalid", "invalid key", _consumer("jwt_secrets: [{key: a, algorithm: RS256, rsa_public_key: §nonsense}]")),
    Rejected("key/invalid", "invalid key", _consumer("jwt_secrets: [{key: a, algorithm: EdDSA, rsa_public_key: §nonsense}]")),
    Rejected("unique/value", "with key set to 'a'", _consumer("jwt_secrets: [{key: a}, {key: §a}]")),
    Rejected("schema/unknown-field", "unknown field", _consumer("jwt_secrets: [{key: a, §public_key: b}]")),
    # ACL.
    Rejected("schema/required", "required field missing", _consumer("acls: [§{}]")),
    Rejected("schema/type", "expected a string", _consumer("acls: [{group: §5}]")),
    Rejected("unique/id", "'acls' entity with primary key set to", _consumer("acls: [{group: a}, §{group: a}]")),
    Rejected("schema/type", "expected a record", _consumer("acls: [§a]")),
    # OAuth 2.
    Rejected("schema/required", "required field missing", _consumer("oauth2_credentials: [§{}]")),
    Rejected("schema/enum", "expected one of: confidential, public", _consumer("oauth2_credentials: [{name: a, client_type: §x}]")),
    Rejected("schema/type", "expected a boolean", _consumer("oauth2_credentials: [{name: a, hash_secret: §1}]")),
    Rejected("schema/type", "expected an array", _consumer("oauth2_credentials: [{name: a, redirect_uris: §x}]")),
    Rejected("schema/format", "fragment not allowed in 'http://a/#b'", _consumer("oauth2_credentials: [{name: a, redirect_uris: [§'http://a/#b']}]")),
    Rejected("schema/format", "cannot parse 'x'", _consumer("oauth2_credentials: [{name: a, redirect_uris: [§x]}]")),
    Rejected("unique/value", "with client_id set to 'i'", _consumer("oauth2_credentials: [{name: a, client_id: i}, {name: b, client_id: §i}]")),
    # Groups.
    Rejected("schema/required", "required field missing", "consumer_groups: [§{}]\n"),
    Rejected("unique/value", "with name set to 'g'", "consumer_groups: [{name: g}, {name: §g}]\n"),
    Rejected("reference/missing", "no such entry in 'consumer_groups'", _consumer("groups: [§{name: g}]")),
    Rejected("reference/missing", "no such entry in 'consumers'", "consumer_groups: [{name: g, consumers: [§{username: c}]}]\n"),
    Rejected("schema/required", "`name` or `id` is required", _consumer("groups: [§{tags: [a]}]")),
    Rejected("reference/missing", "no such entry in 'consumer_groups'", _consumer("") + "consumer_group_consumers: [{consumer: c, consumer_group: §g}]\n"),
    Rejected("schema/required", "required field missing", "consumer_groups: [{name: g}]\nconsumer_group_consumers: [§{consumer_group: g}]\n"),
]  # fmt: skip

ACCEPTED = [
    "consumers: [{username: a}]",
    "consumers: [{custom_id: a}]",
    "consumers: [{username: 'any text, really / ü'}]",
    "consumers: [{username: a, keyauth_credentials: [{key: k}, {}]}]",
    "consumers: [{username: a, keyauth_credentials: [{key: k, ttl: 60, tags: [x]}]}]",
    "consumers: [{username: a, basicauth_credentials: [{username: u, password: p}]}]",
    "consumers: [{username: a, hmacauth_credentials: [{username: u}]}]",
    "consumers: [{username: a, jwt_secrets: [{}, {key: k, secret: s}]}]",
    "consumers: [{username: a, jwt_secrets: [{algorithm: ES256}]}]",
    "consumers: [{username: a, acls: [{group: x}, {group: y}]}, {username: b, acls: [{group: x}]}]",
    "consumers: [{username: a, oauth2_credentials: [{name: x, redirect_uris: ['https://a/b?c=d']}]}]",
    "consumers: [{username: a}]\nacls: [{consumer: a, group: g}]",
    "consumers: [{username: a}]\nkeyauth_credentials: [{consumer: {name: a}, key: k}]",
    "consumers: [{username: a, groups: [{name: g}]}]\nconsumer_groups: [{name: g}]",
    "consumers: [{username: a}]\nconsumer_groups: [{name: g, consumers: [{username: a}]}]",
    "consumers: [{username: a}]\nconsumer_groups: [{name: g}]\nconsumer_group_consumers: [{consumer: a, consumer_group: g}]",
    "consumers: [{username: a, mtls_auth_credentials: [{subject_name: x}]}]",
    "consumers: [{username: a, _comment: x, _ignore: []}]",
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.message[:40])
def test_refused(case: Rejected) -> None:
    reject(case)


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted(text: str) -> None:
    assert accept(text).consumers


def test_the_three_ways_to_say_membership_are_one() -> None:
    nested = "consumers: [{username: a, groups: [{name: g}]}]\nconsumer_groups: [{name: g, consumers: [{username: a}]}]"
    flat = "\nconsumer_group_consumers: [{consumer: a, consumer_group: g}]"
    entities = accept(nested + flat)
    assert entities.group_members == ((entities.consumers[0].id, entities.consumer_groups[0].id),)


def test_a_password_is_kept_as_kong_keeps_it() -> None:
    text = "consumers: [{username: a, id: 7a267194-6123-5ee0-a1c9-4c1559eb0d95, basicauth_credentials: [{username: u, password: p}]}]"
    (credential,) = accept(text).credentials
    # SHA-1 of "p7a267194-6123-5ee0-a1c9-4c1559eb0d95".
    assert credential.fields["password"] == "8d84af534682e035b40264cc9441a9f78ede3c51"
    plain = accept(f"_transform: false\n{text}").credentials[0]
    assert plain.fields["password"] == "p"


def test_missing_secrets_are_generated_and_fresh() -> None:
    text = "consumers: [{username: a, keyauth_credentials: [{}, {}]}]"
    first, second = (credential.fields["key"] for credential in accept(text).credentials)
    assert first != second
    assert len(first) == 32
    assert first.isalnum()


def test_ids_of_keys_do_not_depend_on_the_key() -> None:
    one = accept("consumers: [{username: a, keyauth_credentials: [{key: k}]}]").credentials[0]
    two = accept("consumers: [{username: a, keyauth_credentials: [{key: other}]}]").credentials[0]
    assert one.id == two.id


def test_a_secret_is_never_shown() -> None:
    text = "consumers: [{username: a, keyauth_credentials: [{key: s3cret}, {key: s3cret}]}]"
    loaded = load_text(text)
    assert loaded.problems
    assert not any("s3cret" in repr(problem) for problem in loaded.problems)
