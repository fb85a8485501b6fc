"""What one go at left-over work came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """``found`` pieces of work that were due, of which ``done`` are done with now.

    The others were somebody else's, went wrong and have their next try ahead of them, or
    were left because the run was to stop.
    """

    found: int
    done: int
