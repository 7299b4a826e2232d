"""Speak HTTP/2: one request on a connection of its own, and a server of such connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_CHUNK = 65_536

Headers = list[tuple[str, str]]
Answer = tuple[Headers, bytes]
Serve = Callable[[Headers, bytes], Awaitable[Answer]]


class ClosedError(Exception):
    """The peer ended the stream or the connection before it had answered."""


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: Headers, body: bytes
) -> Answer:
    """Send one request on a new connection; return the response, its trailers among its headers.

    Raises ClosedError.
    """
    talk = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    talk.initiate_connection()
    stream = talk.get_next_available_stream_id()
    talk.send_headers(stream, headers, end_stream=not body)
    if body:
        talk.send_data(stream, body, end_stream=True)
    found: Headers = []
    data = b""
    async for event in _events(talk, reader, writer):
        match event:
            case ResponseReceived() | TrailersReceived():
                found += _pairs(event.headers)
            case DataReceived():
                data += event.data or b""
            case StreamEnded():
                return found, data
            case StreamReset() | ConnectionTerminated():
                break
    raise ClosedError


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Serve) -> None:
    """Answer every request of a connection until it ends; the preface has not been read yet."""
    talk = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    talk.initiate_connection()
    asked: dict[int, tuple[Headers, bytearray]] = {}

    async def respond(stream: int) -> None:
        headers, body = await answer(asked[stream][0], bytes(asked.pop(stream)[1]))
        try:
            talk.send_headers(stream, headers)
            talk.send_data(stream, body, end_stream=True)
        except ProtocolError:
            return  # the client is gone
        writer.write(talk.data_to_send())

    async with asyncio.TaskGroup() as group:
        async for event in _events(talk, reader, writer):
            match event:
                case RequestReceived(stream_id=int(stream)):
                    asked[stream] = (_pairs(event.headers), bytearray())
                case DataReceived(stream_id=int(stream)):
                    asked[stream][1].extend(event.data or b"")
                case StreamEnded(stream_id=int(stream)):
                    group.create_task(respond(stream))
                case _:
                    pass


async def _events(
    talk: H2Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> AsyncIterator[Event]:
    writer.write(talk.data_to_send())
    while data := await reader.read(_CHUNK):
        events = talk.receive_data(data)
        for event in events:
            if isinstance(event, DataReceived) and event.flow_controlled_length:
                talk.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)
        writer.write(talk.data_to_send())
        for event in events:
            yield event


def _pairs(headers: Iterable[tuple[object, object]] | None) -> Headers:
    return [(str(name), str(value)) for name, value in headers or ()]
