"""The Gateway as written.

Follows   istio.io/api networking/v1alpha3/gateway.proto
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simulator.config.model import Bool, Spec, Text, UInt32, only_one

TLSVersion = Literal["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"]


class Port(Spec):
    """A port that a gateway opens."""

    number: UInt32
    protocol: Text
    name: Text
    target_port: UInt32 = 0


class TLSCertificate(Spec):
    """One of several certificates, by file."""

    server_certificate: Text = ""
    private_key: Text = ""
    ca_certificates: Text = ""


class ServerTLSSettings(Spec):
    """How a gateway's port speaks TLS."""

    https_redirect: Bool = False
    mode: Literal[
        "PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"
    ] = "PASSTHROUGH"
    server_certificate: Text = ""
    private_key: Text = ""
    ca_certificates: Text = ""
    ca_crl: Text = ""
    credential_name: Text = ""
    credential_names: tuple[Text, ...] = Field(default=(), min_length=1, max_length=2)
    tls_certificates: tuple[TLSCertificate, ...] = Field(default=(), min_length=1, max_length=2)
    ca_cert_credential_name: Text = ""
    subject_alt_names: tuple[Text, ...] = ()
    verify_certificate_spki: tuple[Text, ...] = ()
    verify_certificate_hash: tuple[Text, ...] = ()
    min_protocol_version: TLSVersion = "TLS_AUTO"
    max_protocol_version: TLSVersion = "TLS_AUTO"
    cipher_suites: tuple[Text, ...] = ()
    ecdh_curves: tuple[Text, ...] = ()
    insecure_skip_verify: Bool | None = None

    certificates = only_one("credential_names", "tls_certificates")
    credentials = only_one("credential_name", "credential_names")


class Server(Spec):
    """One port of a gateway and the hosts behind it."""

    port: Port
    bind: Text = ""
    hosts: tuple[Text, ...]
    tls: ServerTLSSettings | None = None
    default_endpoint: Text = ""
    name: Text = ""


class Gateway(Spec):
    """Which ports the selected gateway pods open."""

    servers: tuple[Server, ...] = ()
    selector: dict[str, Text] = Field(default_factory=dict)
