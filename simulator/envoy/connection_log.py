"""What a listener's access log may say of a connection.

Follows   envoy/source/common/listener_manager/active_stream_listener_base.cc
"""

from __future__ import annotations

from simulator.envoy.connection import Connection
from simulator.envoy.format_commands import End, Facts
from simulator.envoy.request import BYTES, StreamInfo


def of_connection(connection: Connection | None, end: End) -> Facts:
    """Return what a log may speak of, of a connection that has come to this end."""
    info = StreamInfo(
        source_address=connection.source_ip if connection is not None else "",
        connection=connection,
        start_ns=end.wall_ns + end.started_ns,
    )
    return Facts(request=BYTES, info=info, end=end)
