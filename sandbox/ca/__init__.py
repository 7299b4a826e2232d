"""Certificates for the proxies of a sandbox, as istiod's own authority issues them."""

from __future__ import annotations

from sandbox.ca.authority import Authority, Issued
from sandbox.ca.secrets import secrets

__all__ = ["Authority", "Issued", "secrets"]
