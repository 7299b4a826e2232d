"""Fields that the invented cases leave out, and why each of them may be left out."""

from __future__ import annotations

from collections.abc import Mapping

_WHY: Mapping[str, Mapping[str, str]] = {
    "it names, counts, traces or logs, and changes no answer": {
        "HttpConnectionManager": "stat_prefix access_log tracing access_log_options",
        "Listener": "name stat_prefix metadata access_log traffic_direction",
        "FilterChain": "metadata",
        "RouteConfiguration": "name metadata",
        "VirtualHost": "metadata virtual_clusters",
        "Route": "metadata decorator tracing stat_prefix",
        "LocalRateLimit": "stat_prefix",
        "RBAC": "rules_stat_prefix track_per_rule_stats",
        "Router": "dynamic_stats start_child_span",
        "RuntimeFractionalPercent": "runtime_key",
        "FilterStateValue": "shared_with_upstream",
        "TlsInspector": "enable_ja3_fingerprinting enable_ja4_fingerprinting",
    },
    "it bounds sockets, buffers or the codec, which an invented request never strains": {
        "HttpConnectionManager": """codec_type delayed_close_timeout drain_timeout
            http_protocol_options http2_protocol_options max_request_headers_kb
            proxy_100_continue request_headers_timeout""",
        "HttpProtocolOptions": """idle_timeout max_connection_duration
            max_connection_duration_jitter max_headers_count max_requests_per_connection
            max_response_headers_kb""",
        "Listener": """address additional_addresses bind_to_port bypass_overload_manager
            drain_type freebind connection_balance_config enable_reuse_port reuse_port
            continue_on_listener_filters_timeout ignore_global_conn_limit
            listener_filters_timeout per_connection_buffer_limit_bytes socket_options
            tcp_backlog_size tcp_fast_open_queue_length transparent use_original_dst
            max_connections_to_accept_per_socket_event""",
        "FilterChain": "transport_socket_connect_timeout",
        "RouteAction": "early_data_policy",
        "VirtualHost": "per_request_buffer_limit_bytes request_body_buffer_limit",
        "Route": "per_request_buffer_limit_bytes request_body_buffer_limit",
        "TlsInspector": """close_connection_on_client_hello_parsing_errors
            initial_read_buffer_size max_client_hello_size""",
        "InternalAddressConfig": "unix_sockets",
    },
    "time, TLS, files or the choice among endpoints decide there; other tests are about it": {
        "HttpConnectionManager": """rds request_timeout stream_idle_timeout
            set_current_client_cert_details add_user_agent upgrade_configs
            request_id_extension""",
        "HttpProtocolOptions": "max_stream_duration",
        "FilterChain": "transport_socket",
        "RouteAction": """idle_timeout metadata_match request_mirror_policies hedge_policy
            internal_redirect_policy upgrade_configs""",
        "ClusterWeight": "metadata_match",
        "RouteConfiguration": "request_mirror_policies validate_clusters",
        "VirtualHost": "request_mirror_policies hedge_policy",
        "ListenerFilter": "config_discovery filter_disabled",
        "MaxStreamDuration": """max_stream_duration grpc_timeout_header_max
            grpc_timeout_header_offset""",
        "RetryPolicy": """per_try_idle_timeout retry_host_predicate retry_priority
            host_selection_retry_max_attempts retry_back_off rate_limited_retry_back_off
            retry_options_predicates""",
        "RetryBackOff": "base_interval max_interval",
        "FilterStateMatcher": "address_match",
        "LocalRateLimit": "always_consume_default_token_bucket",
        "TokenBucket": "fill_interval tokens_per_fill",
        "Authenticated": "principal_name",
        "WeightedCluster": "total_weight",
        "HeaderValue": "raw_value",
        "DataSource": "environment_variable filename watched_directory",
        "FaultAbort": "response_body",
        "Filter": "config_discovery",
        "HttpFilter": "config_discovery is_optional",
    },
    "between always and never chance decides; other tests are about it": {
        "FractionalPercent": "denominator",
    },
    "it decides whether configuration is taken, and what is not taken is asked nothing": {
        "FilterConfig": "is_optional",
        "RouteConfiguration": "max_direct_response_body_size_bytes",
        "Filter": "name",
    },
    "Envoy leaves it to extensions, and the simulator names it as not simulated": {
        "MatcherTree": "custom_match",
        "OnMatch": "keep_matching matcher",
        "Permission": "matcher",
        "Principal": "custom",
        "SinglePredicate": "custom_match",
        "SourcedMetadata": "metadata_source",
        "StringMatcher": "custom",
        "SubstitutionFormatString": """content_type formatters json_format
            json_format_options omit_empty_values""",
        "Route": "filter_action non_forwarding_action",
    },
}

SILENT: Mapping[str, str] = {
    f"{kind}.{name}": why
    for why, kinds in _WHY.items()
    for kind, names in kinds.items()
    for name in names.split()
}
"""Why, by `Message.field`."""
