"""How each family of third-party cases is run: one module a family.

The module of `envoy/router_check/cases` is `envoy_router_check_cases`, or, where there
is none, `envoy_router_check`. It has one function, `cases(table)`, which yields the
table's cases.
"""

from __future__ import annotations
