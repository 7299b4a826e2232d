"""What a listener's access log may say of a connection.

Follows   envoy/source/common/listener_manager/active_stream_listener_base.cc
"""

from __future__ import annotations

from simulator.envoy.connection import Connection
from simulator.envoy.format_commands import End, Facts
from simulator.envoy.request import BYTES, StreamInfo


def of_connection(
    connection: Connection | None, times: tuple[int, int, int], filter_chain: str, why: str
) -> Facts:
    """Return what a log may speak of; `times` are the start, the end and the time since 1970."""
    started_ns, ended_ns, wall_ns = times
    end = End(
        log_type="NotSet",
        started_ns=started_ns,
        ended_ns=ended_ns,
        wall_ns=wall_ns,
        filter_chain=filter_chain,
        termination=why,
    )
    info = StreamInfo(
        source_address=connection.source_ip if connection is not None else "",
        connection=connection,
        start_ns=end.wall_ns + end.started_ns,
    )
    return Facts(request=BYTES, info=info, end=end)
