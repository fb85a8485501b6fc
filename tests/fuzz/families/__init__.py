"""The families of requests, registered by importing their modules."""

from __future__ import annotations

from tests.fuzz.families import (
    ambiguities,
    contradictions,
    forgeries,
    hostile,
    mutations,
    refunds,
    transport,
)

__all__ = [
    "ambiguities",
    "contradictions",
    "forgeries",
    "hostile",
    "mutations",
    "refunds",
    "transport",
]
