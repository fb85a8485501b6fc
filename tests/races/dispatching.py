"""Workers who dispatch the same event at the same moment."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.services.transitions import dispatch
from tests.races.running import Meeting, at_once


def two_workers_find_it() -> tuple[Meeting, list[Any]]:
    """Let two workers both find the event before either leases it; return what they dispatched."""
    meeting = Meeting(2)
    before = meeting.after(lambda: None)
    lease = dispatch._lease

    def lease_together(*args: Any) -> bool:
        before()
        return lease(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "_lease", lease_together)
        return meeting, at_once(services.dispatch_events, services.dispatch_events)
