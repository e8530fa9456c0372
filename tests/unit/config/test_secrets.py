"""Generated secrets: stable for a seed, different for everything else."""

from __future__ import annotations

from base64 import b64decode

from dbless_gateway.config.secrets import Generator
from tests.compat.config.cases import accept


def test_a_seed_gives_the_same_secret_again() -> None:
    assert Generator(b"s").credential("a", "key") == Generator(b"s").credential("a", "key")
    assert Generator(b"s").key("a", "secret") == Generator(b"s").key("a", "secret")


def test_everything_else_gives_another() -> None:
    made = [
        Generator(b"s").credential("a", "key"),
        Generator(b"s").credential("a", "secret"),
        Generator(b"s").credential("b", "key"),
        Generator(b"t").credential("a", "key"),
        Generator(None).credential("a", "key"),
        Generator(None).credential("a", "key"),
    ]
    assert len(set(made)) == len(made)
    assert all(len(secret) == 32 and secret.isalnum() for secret in made)


def test_a_key_has_32_bytes() -> None:
    assert len(b64decode(Generator(None).key("a", "secret"))) == 32


def test_reloads_with_one_seed_keep_generated_secrets() -> None:
    text = "consumers: [{username: c, keyauth_credentials: [{}]}]\nplugins: [{name: session}]"
    one, two, other = accept(text, seed=b"a"), accept(text, seed=b"a"), accept(text, seed=b"b")
    assert one.credentials == two.credentials
    assert one.plugins == two.plugins
    assert one.plugins[0].config["secret"] != other.plugins[0].config["secret"]
