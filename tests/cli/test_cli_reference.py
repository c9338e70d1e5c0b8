"""The page that is written from the commands."""

from __future__ import annotations

from pathlib import Path

from daoli.cli.reference import reference

ROOT = Path(__file__).parents[2]


def test_page_is_up_to_date() -> None:
    """docs/daolictl.md is what the commands say; `python -m daoli.cli.reference > docs/daolictl.md` makes it so."""
    assert (ROOT / "docs/daolictl.md").read_text() == reference()


def test_page_has_every_command() -> None:
    """Each command has its section, with its flags; what is in all of them stands once."""
    page = reference()
    for words in ("host ls", "network create", "container move", "publish rm", "explain", "doctor"):
        assert f"\n## daolictl {words}\n" in page
    assert page.count("`--token-file FILE`") == 1
    assert "| `--label KEY=VALUE` | A label, repeatable. |" in page
