"""What the person who drives the simulator is told when it cannot be done."""

from __future__ import annotations


class ControlError(ValueError):
    """A wish that cannot be fulfilled: a ``code`` for programs and a sentence for a person."""

    def __init__(self, code: str, detail: str, *, status: int = 400) -> None:
        self.code = code
        self.detail = detail
        self.status = status
        super().__init__(detail)


def unknown_trade(mch_id: str, out_trade_no: str) -> ControlError:
    """Return the error for a trade that was never placed."""
    return ControlError(
        "unknown_trade", f"merchant {mch_id} has no trade {out_trade_no}", status=404
    )
