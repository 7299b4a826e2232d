"""Envoy's response flags: the long name of each short one.

Follows   envoy/source/common/stream_info/utility.h
"""

from __future__ import annotations

from collections.abc import Mapping

_NAMES = """
    LH FailedLocalHealthCheck UH NoHealthyUpstream UT UpstreamRequestTimeout LR LocalReset
    UR UpstreamRemoteReset UF UpstreamConnectionFailure UC UpstreamConnectionTermination
    UO UpstreamOverflow NR NoRouteFound DI DelayInjected FI FaultInjected RL RateLimited
    UAEX UnauthorizedExternalService RLSE RateLimitServiceError
    DC DownstreamConnectionTermination URX UpstreamRetryLimitExceeded SI StreamIdleTimeout
    IH InvalidEnvoyRequestHeaders DPE DownstreamProtocolError
    UMSDR UpstreamMaxStreamDurationReached RFCF ResponseFromCacheFilter NFCF NoFilterConfigFound
    DT DurationTimeout UPE UpstreamProtocolError NC NoClusterFound OM OverloadManagerTerminated
    DF DnsResolutionFailed DO DropOverload DR DownstreamRemoteReset UDO UnconditionalDropOverload
"""
_WORDS = _NAMES.split()
LONG: Mapping[str, str] = dict(zip(_WORDS[::2], _WORDS[1::2], strict=True))
"""What `%RESPONSE_FLAGS_LONG%` writes, by what `%RESPONSE_FLAGS%` does."""
