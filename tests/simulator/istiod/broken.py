"""Manifests broken in every way that a hand or a template breaks them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.simulator.istiod.meshes import GOLDEN

ROOT = Path(__file__).resolve().parents[3]
_HERE = Path(__file__).parent
_JUNK: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 65536, 1 << 40, 10**30, 0.5, -0.0, 1e308, "", " ", "*", "*.", ".",
    "/", "..", "-", "~", "a.b", "*.example", "ns/*", "default/shop", "%", "%%", "%X(", "(", "[a-",
    "(?!a)", "0s", "1ms", "-5s", "99999h", "1.1.1.1", "1.1.1.1/33", "::1", "unix:///a", "unix://@a",
    "HTTP", "tcp", "STRICT", "PASSTHROUGH", "ISTIO_MUTUAL", "DYNAMIC_DNS", "REPLACE", "é", "日本",
    "\u2028", "x" * 300, [], {}, [None], [[]], [{}], {"": ""}, {"a": None}, {"a": {"b": []}},
    {"exact": "a"}, {"regex": "("}, {"prefix": ""}, {"number": 80}, {"name": "a"}, {"host": "shop"},
)  # fmt: skip
"""Values that some field somewhere does not expect."""

Tree = Any
Path_ = tuple[Any, ...]


def corpus() -> list[Tree]:
    """Return objects of every kind, from the labs and from the tests."""
    texts = [
        each.read_text(encoding="utf-8") for each in sorted(ROOT.glob("labs/catalog/**/*.yaml"))
    ]
    texts += [each.read_text(encoding="utf-8") for each in sorted(GOLDEN.glob("*.yaml"))]
    analysed = yaml.safe_load((_HERE / "analysed.yaml").read_text(encoding="utf-8"))
    texts += [case["objects"] for case in analysed]
    return [
        each
        for text in texts
        for each in yaml.load_all(text, yaml.CSafeLoader)
        if isinstance(each, dict) and "kind" in each
    ]


def broken(objects: list[Tree], random: Random) -> str:
    """Return the text of some objects, most of them changed in a place or two."""
    chosen = [copy.deepcopy(random.choice(objects)) for _ in range(random.randint(1, 10))]
    for each in chosen:
        for _ in range(random.choice([0, 1, 1, 2])):
            random.choice(_CHANGES)(each, random, objects)
    # JSON is YAML, and says whatever Python can hold.
    return "\n---\n".join(json.dumps(each, ensure_ascii=random.random() < 0.5) for each in chosen)


def _places(tree: Tree, path: Path_ = ()) -> Iterator[Path_]:
    if path:
        yield path
    if isinstance(tree, dict):
        for key, inner in tree.items():
            yield from _places(inner, (*path, key))
    elif isinstance(tree, list):
        for at, inner in enumerate(tree):
            yield from _places(inner, (*path, at))


def _pick(tree: Tree, random: Random) -> tuple[Tree, Any] | None:
    """Return a container and the key of a value in it."""
    places = [each for each in _places(tree) if each[0] != "kind"]
    if not places:
        return None
    path = random.choice(places)
    holder = tree
    for step in path[:-1]:
        holder = holder[step]
    return holder, path[-1]


def _replace(tree: Tree, random: Random, _: list[Tree]) -> None:
    if (found := _pick(tree, random)) is not None:
        holder, key = found
        holder[key] = copy.deepcopy(random.choice(_JUNK))


def _remove(tree: Tree, random: Random, _: list[Tree]) -> None:
    if (found := _pick(tree, random)) is not None:
        holder, key = found
        del holder[key]


def _repeat(tree: Tree, random: Random, _: list[Tree]) -> None:
    if (found := _pick(tree, random)) is not None:
        holder, key = found
        value = copy.deepcopy(holder[key])
        if isinstance(holder, list):
            holder.append(value)
        else:
            holder[key] = [value, copy.deepcopy(value)]


def _graft(tree: Tree, random: Random, objects: list[Tree]) -> None:
    """Put a part of another object where it does not belong."""
    other = random.choice(objects)
    mine, theirs = _pick(tree, random), _pick(other, random)
    if mine is not None and theirs is not None:
        holder, key = mine
        source, place = theirs
        holder[key] = copy.deepcopy(source[place])


def _add(tree: Tree, random: Random, objects: list[Tree]) -> None:
    """Add a field that an object of the same kind has."""
    alike = [each for each in objects if each["kind"] == tree.get("kind")]
    other = random.choice(alike or objects)
    mine, theirs = tree.get("spec"), other.get("spec")
    if isinstance(mine, dict) and isinstance(theirs, dict) and theirs:
        key = random.choice(sorted(theirs, key=str))
        mine[key] = copy.deepcopy(theirs[key])


def _rename(tree: Tree, random: Random, _: list[Tree]) -> None:
    if (found := _pick(tree, random)) is not None:
        holder, key = found
        if isinstance(holder, dict):
            holder[random.choice(["name", "host", "port", f"{key}s", "", "a b"])] = holder.pop(key)


_CHANGES: tuple[Callable[[Tree, Random, list[Tree]], None], ...] = (
    _replace,
    _replace,
    _replace,
    _remove,
    _repeat,
    _graft,
    _add,
    _rename,
)
