"""One running proxy: its configuration, and the state that outlives a request.

Signatures: `Proxy(config, name)`, `.accept(connection)`, `.stream(chain, request, draws,
explain=False, forced=NOTHING_FORCED, connection=None) -> Stream`, `.update(config)`.
"""

from __future__ import annotations
