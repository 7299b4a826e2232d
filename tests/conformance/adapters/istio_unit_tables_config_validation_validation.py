"""Istio's own expectations of its webhook."""

from __future__ import annotations

from tests.conformance.validation import cases

__all__ = ["cases"]
