"""Hide what the schema calls sensitive, as `/config_dump` does: private keys, passwords.

Models    the field option udpa.annotations.sensitive
Follows   envoy/source/common/protobuf/utility.cc (MessageUtil::redact)
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from simulator.envoy_api.schema import message, pool

_HIDDEN = "[redacted]"


def redacted(value: Message) -> Any:  # noqa: ANN401 - made at run time
    """Return a copy in which sensitive text reads `[redacted]` and sensitive numbers are gone."""
    twin = type(value)()
    twin.CopyFrom(value)
    _redact(twin, hidden=False)
    return twin


def _redact(value: Message, *, hidden: bool) -> None:
    for field, inner in value.ListFields():
        hide = hidden or _sensitive(value.DESCRIPTOR.full_name, field.name)
        if field.message_type is not None:
            if not field.message_type.GetOptions().map_entry:
                for each in inner if field.is_repeated else (inner,):
                    _redact(each, hidden=hide)
        elif hide:
            _hide(value, field, inner)


def _hide(value: Message, field: FieldDescriptor, inner: Any) -> None:  # noqa: ANN401 - a field's
    words: dict[int, str | bytes] = {
        FieldDescriptor.TYPE_STRING: _HIDDEN,
        FieldDescriptor.TYPE_BYTES: _HIDDEN.encode(),
    }
    word = words.get(field.type)
    if word is None:
        value.ClearField(field.name)
    elif field.is_repeated:
        inner[:] = [word for _ in inner]
    else:
        setattr(value, field.name, word)


@cache
def _sensitive(kind: str, name: str) -> bool:
    field = pool().FindMessageTypeByName(kind).fields_by_name[name]
    # Options are of the default pool, which does not know the extension.
    options = message("google.protobuf.FieldOptions").FromString(
        field.GetOptions().SerializeToString()
    )
    return bool(options.Extensions[pool().FindExtensionByName("udpa.annotations.sensitive")])
