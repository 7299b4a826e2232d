from __future__ import annotations

from pathlib import Path

import pytest

from labs.server import build_page
from labs.server.settings import Settings
from tests.labs.server.conftest import Client


@pytest.fixture
def built(settings: Settings) -> Path:
    (settings.page / "assets").mkdir(parents=True)
    (settings.page / "index.html").write_text("<title>Meshdojo</title>")
    (settings.page / "assets" / "index-1.js").write_text("1")
    (settings.page.parent / "secret.txt").write_text("secret")
    return settings.page


@pytest.mark.parametrize("path", ["/", "/labs/canary-release", "/instructor"])
def test_every_address_of_the_page_is_its_document(built: Path, client: Client, path: str) -> None:
    answer = client.get(path)

    assert answer.text == "<title>Meshdojo</title>"
    assert answer.headers["cache-control"] == "no-cache"


def test_assets_never_change(built: Path, client: Client) -> None:
    assert "immutable" in client.get("/assets/index-1.js").headers["cache-control"]


@pytest.mark.parametrize("path", ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt"])
def test_nothing_beside_the_page_is_served(built: Path, client: Client, path: str) -> None:
    assert "secret" not in client.get(path).text


def test_a_page_that_is_not_built_says_how(client: Client) -> None:
    answer = client.get("/")

    assert answer.status_code == 503
    assert "labs.server.build_page" in answer.text


def test_the_digest_knows_the_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    source = tmp_path / "src" / "main.tsx"
    source.write_text("1")
    monkeypatch.setattr(build_page, "WEB", tmp_path)
    before = build_page.digest()

    source.write_text("2")

    assert build_page.digest() != before
