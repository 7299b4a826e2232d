"""Manifests are read into objects; each mistake is a finding with its place and what to try."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simulator.config.load import load, load_texts
from simulator.diagnostics import Diagnostic, Level
from simulator.istiod.analyze import analyze
from tests.support.mesh import deployment, service

VIRTUAL_SERVICE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
spec:
  hosts: [reviews]
  http:
    - route:
        - destination:
            host: reviews
"""


def findings(*texts: str) -> tuple[Diagnostic, ...]:
    return load_texts([(f"{at}.yaml", text) for at, text in enumerate(texts)]).diagnostics


def only(*texts: str) -> Diagnostic:
    found = [each for each in findings(*texts) if each.level is not Level.INFO]
    assert len(found) == 1, found
    return found[0]


def virtual_service(old: str, new: str) -> str:
    assert old in VIRTUAL_SERVICE
    return VIRTUAL_SERVICE.replace(old, new)


@pytest.mark.parametrize(
    ("text", "code", "place", "says"),
    [
        pytest.param("- 1\n", "not-an-object", "0.yaml:1:1", "", id="a-list-is-no-object"),
        pytest.param("kind: Pod\n", "missing-field", "0.yaml:1:1", "apiVersion", id="no-version"),
        pytest.param(
            virtual_service("  hosts:", "  host:"),
            "unknown-field",
            "0.yaml:6:3",
            "hosts",
            id="a-field-misspelt",
        ),
        pytest.param(
            virtual_service("[reviews]", "reviews"),
            "wrong-type",
            "0.yaml:6:10",
            "",
            id="text-for-a-list",
        ),
        pytest.param(
            virtual_service(
                "            host: reviews", "            host: a\n            prot: {}"
            ),
            "unknown-field",
            "0.yaml:11:13",
            "port",
            id="a-deep-field-misspelt",
        ),
        pytest.param(
            virtual_service("kind: VirtualService", "kind: VirtualServise"),
            "unknown-kind",
            "0.yaml:2:7",
            "VirtualService",
            id="a-kind-misspelt",
        ),
        pytest.param(
            virtual_service("networking.istio.io/v1", "networking.istio.io/v9"),
            "unknown-version",
            "0.yaml:1:13",
            "v1",
            id="a-version-that-nobody-knows",
        ),
        pytest.param(
            virtual_service("name: reviews", "name: Re_views"),
            "bad-name",
            "0.yaml:4:9",
            "",
            id="a-name-that-kubernetes-refuses",
        ),
        pytest.param(
            virtual_service("    - route:", "    - timeout: soon\n      route:"),
            "bad-value",
            "0.yaml:8:16",
            "",
            id="a-duration-in-words",
        ),
    ],
)
def test_a_mistake(text: str, code: str, place: str, says: str) -> None:
    found = only(text)

    assert (found.code, str(found.position)) == (code, place)
    assert says in f"{found.message} {found.hint}"


def test_an_object_is_typed_and_knows_its_lines() -> None:
    (read,) = load_texts([("reviews.yaml", VIRTUAL_SERVICE)]).objects

    assert (read.kind, read.name, read.namespace) == ("VirtualService", "reviews", "default")
    assert str(read.positions.nearest("spec.http[0].route[0].destination")) == "reviews.yaml:9:11"


def test_the_second_of_a_name_replaces_the_first() -> None:
    other = virtual_service("[reviews]", "[ratings]")
    loaded = load_texts([("0.yaml", VIRTUAL_SERVICE), ("1.yaml", other)])

    assert [each.code for each in loaded.diagnostics] == ["replaced"]
    assert [str(each.position) for each in loaded.objects] == ["1.yaml:1:1"]


def test_a_list_is_its_items() -> None:
    text = f'{{"apiVersion": "v1", "kind": "List", "items": [{service("a")}, {service("b")}]}}'
    loaded = load_texts([("list.json", text)])

    assert loaded.diagnostics == ()
    assert [each.name for each in loaded.objects] == ["a", "b"]


def test_a_broken_object_leaves_the_others() -> None:
    loaded = load_texts([("0.yaml", f"{virtual_service('hosts:', 'host:')}---\n{service('a')}")])

    assert [each.name for each in loaded.objects] == ["a"]
    assert [each.code for each in loaded.diagnostics] == ["unknown-field"]


def test_a_subset_that_nobody_defines() -> None:
    text = virtual_service(
        "            host: reviews", "            host: reviews\n            subset: v9"
    )
    manifests = load_texts(
        [
            ("app.yaml", f"{service('reviews')}\n---\n{deployment('reviews-v1', 'reviews')}"),
            ("vs.yaml", text),
        ]
    )
    (found,) = (each for each in analyze(manifests) if each.level is Level.ERROR)

    assert (found.code, str(found.position)) == ("IST0101", "vs.yaml:11:21")
    assert "v9" in found.message
    assert found.hint


def test_files_folders_and_standard_input(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "b.yaml").write_text(service("b"))
    (tmp_path / "a.yml").write_text(service("a"))
    (tmp_path / "notes.md").write_text("no manifest")
    loaded = load([str(tmp_path), "-"], stdin_text=service("c"))

    assert loaded.diagnostics == ()
    assert [each.name for each in loaded.objects] == ["a", "b", "c"]
    assert loaded.objects[2].position.file == "<stdin>"


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(service("a"))
    loaded = load([str(tmp_path), str(tmp_path / "a.yaml"), str(tmp_path / "." / "a.yaml")])

    assert loaded.diagnostics == ()
    assert [each.name for each in loaded.objects] == ["a"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    loaded = load([str(tmp_path / "none.yaml")])

    assert [each.code for each in loaded.diagnostics] == ["missing-file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    path.write_text("a: 1")
    path.chmod(0)

    assert [each.code for each in load([str(path)]).diagnostics] == ["unreadable-file"]


def test_a_folder_that_ends_like_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").mkdir()

    assert [each.code for each in load([str(tmp_path)]).diagnostics] == ["unreadable-file"]
