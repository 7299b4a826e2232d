"""Load the schema into a private pool; make, pack and print its messages."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message

_PATH = Path(__file__).with_name("descriptors.bin")
_PREFIX = "type.googleapis.com/"


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """Return the private pool that holds the schema; loaded once, about 50 ms."""
    if not _PATH.exists():
        message_ = f"{_PATH} is missing: it is made when the package is built; try: make env"
        raise FileNotFoundError(message_)
    private = descriptor_pool.DescriptorPool()
    for file in FileDescriptorSet.FromString(_PATH.read_bytes()).file:
        private.AddSerializedFile(file.SerializeToString())
    return private


@cache
def message(name: str) -> Any:  # noqa: ANN401 - the class is made at run time
    """Return the class of a message, such as `envoy.config.route.v3.Route`.

    Raises KeyError for a name that the binary does not know.
    """
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(name))


def name_of(value: Message) -> str:
    """Return a message's full name, such as `envoy.config.route.v3.Route`."""
    return str(value.DESCRIPTOR.full_name)


def type_url(value: Message | str) -> str:
    """Return the type URL of a message or of a full message name."""
    return _PREFIX + (value if isinstance(value, str) else name_of(value))


def pack(value: Message) -> Any:  # noqa: ANN401 - the pool's own Any
    """Return `value` inside the pool's own `google.protobuf.Any`."""
    return message("google.protobuf.Any")(
        type_url=type_url(value), value=value.SerializeToString(deterministic=True)
    )


def unpack(value: Any) -> Any:  # noqa: ANN401 - any message may be inside
    """Return the message inside an `Any`.

    Raises KeyError for a type that the binary does not know.
    """
    return message(value.type_url.rpartition("/")[2]).FromString(value.value)


def has(value: Message, field: str) -> bool:
    """Say whether a message, oneof or wrapper field is set."""
    return bool(value.HasField(field))


def format(value: Message) -> dict[str, Any]:  # noqa: A001 - named in the architecture
    """Return Envoy's JSON form: proto field names, defaults left out."""
    return json_format.MessageToDict(
        value, preserving_proto_field_name=True, descriptor_pool=pool()
    )
