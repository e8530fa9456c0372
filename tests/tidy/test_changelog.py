"""The changelog exists, and its waiting fragments have the form that a release expects."""

from __future__ import annotations

from tests.support.gateway import REPOSITORY

SECTIONS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_changelog_begins_with_what_is_coming() -> None:
    titles = [
        line for line in (REPOSITORY / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")
    ]
    assert titles[0] == "## Unreleased"


def test_fragments_name_their_section() -> None:
    for fragment in (REPOSITORY / "changelog.d").glob("*.md"):
        if fragment.name != "README.md":
            assert fragment.read_text().splitlines()[0] in SECTIONS, fragment.name
