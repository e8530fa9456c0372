"""Every kind of problem a configuration can have: its stable code, how serious it is, what it means.

The codes are a promise: scripts, editors and suppressions name them. One is never renamed or given a new
meaning. ``explain`` and the reference page print this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

ERROR = "error"
WARNING = "warning"


class Code(NamedTuple):
    """One row: the title says what is wrong, the explanation what to do about it."""

    severity: str
    title: str
    explanation: str


_TABLE: dict[str, Code] = {
    # The file itself.
    "file/unreadable": Code(
        ERROR,
        "The file cannot be read",
        "It does not exist, is a directory, or its permissions forbid reading.",
    ),
    "file/kind": Code(
        ERROR,
        "Not a kind of file that can be loaded",
        "A configuration file's name ends in .yaml, .yml or .json.",
    ),
    "file/size": Code(
        ERROR,
        "The file is too large",
        "A configuration of this size is almost always a mistake. Split it into several files.",
    ),
    "file/encoding": Code(
        ERROR, "The file is not UTF-8 text", "Save the file as UTF-8. A byte order mark is accepted."
    ),
    "file/empty": Code(ERROR, "The file is empty", "A configuration needs at least `_format_version`."),
    "file/changed": Code(
        ERROR,
        "The file changed while it was read",
        "Write to a temporary file and rename it over the old one.",
    ),
    # Syntax.
    "yaml/syntax": Code(ERROR, "Not valid YAML", "The text cannot be parsed from this place on."),
    "yaml/character": Code(
        ERROR,
        "A character that YAML does not allow",
        "Remove control characters such as NUL, or escape them in quotes.",
    ),
    "yaml/duplicate-key": Code(
        ERROR,
        "The same key twice in one mapping",
        "Kong would silently take the last one. Remove one, or merge them.",
    ),
    "yaml/key-type": Code(
        ERROR, "A key that is not text", "YAML reads this key as a number, boolean or null. Quote it."
    ),
    "yaml/complex-key": Code(
        ERROR,
        "A mapping or a list used as a key",
        "Usually an unquoted `{{` or `{`: write the text in quotes.",
    ),
    "yaml/tag": Code(
        ERROR, "An unknown tag", "Only the core tags of YAML (!!str, !!int, ...) are understood."
    ),
    "yaml/alias": Code(
        ERROR, "An alias that leads nowhere", "The anchor must stand before the alias and outside of it."
    ),
    "yaml/alias-expansion": Code(
        ERROR,
        "Aliases that expand to too much",
        "Aliases of aliases multiply. Write such a file without them.",
    ),
    "yaml/nesting": Code(ERROR, "Nested too deeply", "No value of a configuration needs that many levels."),
    "yaml/merge": Code(
        ERROR, "`<<` with something that cannot be merged", "`<<` takes a mapping or a list of mappings."
    ),
    "yaml/several-documents": Code(
        WARNING,
        "More than one document in a file",
        "Only the first is read. Put the others into files of their own.",
    ),
    "json/syntax": Code(ERROR, "Not valid JSON", "The text cannot be parsed from this place on."),
    # Environment.
    "env/unset": Code(
        ERROR, "An environment variable that is not set", "Set it, or give a default: `${NAME:-default}`."
    ),
    "env/prefix": Code(
        ERROR, "A variable decK would refuse", "decK only reads variables whose names begin with DECK_."
    ),
    "env/expression": Code(
        ERROR,
        "An expression that is not understood",
        '`${{ env "DECK_X" }}` with toBool, toInt, toFloat or indent N.',
    ),
    "env/value": Code(
        ERROR, "A variable's value of the wrong kind", "The conversion that the file asks for failed."
    ),
    # The shape of the document.
    "format/root": Code(
        ERROR, "The file is not a mapping", "The top level is a mapping with `_format_version`."
    ),
    "format/version": Code(
        ERROR, "A format version that does not exist", 'Use "1.1", "2.1" or "3.0", in quotes.'
    ),
    "format/unsupported": Code(
        ERROR,
        "A part of Kong's format that is not supported",
        "Ignoring it would change what the gateway does.",
    ),
    "format/ignored": Code(
        WARNING,
        "Entities that have no use here",
        "They belong to a database, and there is none. Remove them.",
    ),
    "format/conflict": Code(
        ERROR, "Files that contradict each other", "Merged files must agree on this value."
    ),
    "format/plugin-config": Code(
        ERROR, "An unknown shared plugin configuration", "`_config` names an entry of `_plugin_configs`."
    ),
    "format/defaults": Code(ERROR, "A default that may not be set", "Identity fields cannot have a default."),
    "format/too-many": Code(
        ERROR, "Too many entities", "The limit protects the gateway from a runaway generator."
    ),
    # Fields.
    "schema/type": Code(
        ERROR, "A value of the wrong type", "Quote text that looks like a number or boolean."
    ),
    "schema/required": Code(
        ERROR, "A required field is missing", "Add the field, or give it a value other than null."
    ),
    "schema/unknown-field": Code(ERROR, "An unknown field", "Check the spelling and the indentation."),
    "schema/enum": Code(ERROR, "Not one of the allowed values", "The message lists what is allowed."),
    "schema/range": Code(ERROR, "A number outside its range", "The message gives the limits."),
    "schema/length": Code(ERROR, "Too short or too long", "The message gives the limit."),
    "schema/pattern": Code(ERROR, "A text of the wrong form", "The message says what is expected."),
    "schema/format": Code(ERROR, "A text of the wrong form", "The message says what is expected."),
    "schema/value": Code(ERROR, "A value that is not allowed here", "The message says what is expected."),
    "schema/regex": Code(
        ERROR, "A regular expression that RE2 refuses", "RE2 has no look-around and no back-references."
    ),
    # Rules of one entity.
    "rule/conditional": Code(
        ERROR, "Fields that do not go together", "One field's value forbids or demands another."
    ),
    "rule/one-of": Code(
        ERROR, "At least one of several fields", "Give one of the fields that the message names."
    ),
    "rule/exclusive": Code(
        ERROR, "Fields that exclude each other", "Keep one of the fields that the message names."
    ),
    "rule/together": Code(ERROR, "Fields that need each other", "Give all of the named fields, or none."),
    "rule/distinct": Code(
        ERROR, "Fields that must differ", "Two fields that must differ have the same value."
    ),
    "route/protocols": Code(ERROR, "Protocols of different families", "Use one route for each family."),
    "route/matching": Code(
        ERROR, "A route without anything to match", "Give one of the attributes of the message."
    ),
    "route/forbidden": Code(
        ERROR, "An attribute that its protocols do not have", "Remove it, or change `protocols`."
    ),
    "route/expression": Code(
        ERROR, "A wrong use of expressions", "`expression` excludes the other attributes."
    ),
    "certificate/mismatch": Code(
        ERROR, "A certificate with another's key", "Give the private key of this certificate."
    ),
    "certificate/same-kind": Code(
        ERROR, "Two certificates of one kind", "The second one needs another kind of key."
    ),
    "key/invalid": Code(
        ERROR, "A key that cannot be used", "The key cannot be loaded, or does not fit its other half."
    ),
    "vault/unknown": Code(ERROR, "A vault that does not exist", "Only the vault `env` is available."),
    "vault/unresolved": Code(
        WARNING,
        "A reference without a value",
        "The environment of this process does not have the secret. As in Kong, the value is empty: a "
        "certificate without its text is not served, and a plugin that cannot work so is left out. On a "
        "machine without secrets, `--mock-env` says that this is meant to be.",
    ),
    "plugin/unknown": Code(ERROR, "An unknown plugin", "There is no schema for a plugin of this name."),
    "plugin/code": Code(
        ERROR,
        "A plugin that cannot be loaded",
        "The file or package of a plugin that is not bundled is wrong; the message says where.",
    ),
    "plugin/scope": Code(
        ERROR, "A scope that the plugin does not allow", "Move the plugin to another place."
    ),
    "plugin/ordering": Code(
        ERROR, "Dynamic ordering", "Only Kong Enterprise can change the order of plugins."
    ),
    "plugin/config": Code(
        ERROR, "A plugin configuration that contradicts itself", "The message says what it is."
    ),
    "plugin/deprecated": Code(WARNING, "A deprecated field", "It is translated. Use the new name."),
    "plugin/mismatch": Code(ERROR, "Old and new name with different values", "Remove the deprecated field."),
    # Between entities.
    "reference/missing": Code(ERROR, "A reference to nothing", "No entity has this name or id."),
    "reference/null": Code(
        ERROR, "A reference that must be left out", "Nesting already says which entity is meant."
    ),
    "unique/id": Code(ERROR, "The same entity twice", "Two entities have, or derive, the same id."),
    "unique/value": Code(ERROR, "The same value twice", "The field must be unique in the configuration."),
    # What only compiling finds.
    "plugin/not-run": Code(
        WARNING,
        "A plugin that this version does not run",
        "Its configuration is valid, so Kong can use the file, but this gateway would not start with it. "
        "Remove the plugin, or set `enabled: false`.",
    ),
    "certificate/unusable": Code(
        ERROR,
        "A certificate that TLS cannot use",
        "The certificate or key of a service is well-formed, but OpenSSL refuses it.",
    ),
    # Lints: the file is valid, but may not do what its author means.
    "lint/unreachable-route": Code(
        WARNING,
        "A route that can never match",
        "Every request that fits it also fits a route that ranks higher; the message shows one such request "
        "and who takes it. Remove the route, or make it more specific.",
    ),
    "lint/ambiguous-priority": Code(
        WARNING,
        "Two routes of the same rank for one request",
        "Both match the request in the message, and nothing but their ids decides. Make one more specific, "
        "or give a regex a `regex_priority`.",
    ),
    "lint/prefix-boundary": Code(
        WARNING,
        "A prefix path without a segment boundary",
        "A path is compared character by character, so `/test` also takes `/test-1`. End it with a slash, or "
        "write `~/test(?:/|$)`.",
    ),
    "lint/regex-without-tilde": Code(
        WARNING,
        "A path that looks like a regular expression but is not one",
        "Since format 3.0 only a path that begins with `~` is a regular expression; this one is compared "
        "literally.",
    ),
    "lint/certificate-expires": Code(
        WARNING,
        "A certificate at its end",
        "It has expired, or will within three weeks: clients will refuse the connection. Renew it.",
    ),
    "lint/health-never-ejects": Code(
        WARNING,
        "Health checks that can never eject a target",
        "A limit of 0 turns a counter off, and all counters of failures are off. Set `http_failures`, "
        "`tcp_failures` or `timeouts` of an `unhealthy` section to 1 or more.",
    ),
    "lint/plaintext-credential": Code(
        WARNING,
        "A secret in the file",
        'Whoever reads the file can use it. Take it from the environment: `${{ env "DECK_X" }}`, or '
        "`{vault://env/x}` where Kong allows a reference.",
    ),
    "lint/tls-unverified": Code(
        WARNING,
        "TLS to a service without verification",
        "The connection is encrypted, but whoever stands between can pose as the service. Set "
        "`tls_verify: true`, and `ca_certificates` for a private authority.",
    ),
    "lint/yaml-surprise": Code(
        WARNING,
        "A plain word that YAML 1.1 reads as something else",
        "`on`, `yes`, `off` and `no` are booleans, `010` is 8 and `1:30` is 90. Write the value that is "
        "meant, or quote the text.",
    ),
    "lint/unused-upstream": Code(
        WARNING,
        "An upstream that no service uses",
        "A service uses an upstream by having its name as `host`.",
    ),
    "lint/unused-consumer": Code(
        WARNING,
        "A consumer that nobody can be",
        "It has no credential, and no plugin names it as `anonymous`.",
    ),
    "lint/unused-certificate": Code(
        WARNING,
        "A certificate that is never shown",
        "It has no SNI, and no service or upstream names it as `client_certificate`.",
    ),
    "lint/unserved-route": Code(
        WARNING,
        "A route that is not for HTTP",
        "Routes for tcp, tls, tls_passthrough and udp are judged, and then left alone: there is no `stream_listen`.",
    ),
}

CODES: Mapping[str, Code] = MappingProxyType(_TABLE)
