"""Which protocol a notification speaks, and what goes out at one attempt."""

from __future__ import annotations

from typing import Final

from django_wxpay.protocol.merchants import Api
from django_wxpay.simulator.faults.faults import PROBE
from django_wxpay.simulator.notifications.composing_v2 import is_heard_v2, v2_letter
from django_wxpay.simulator.notifications.composing_v3 import is_heard_v3, v3_letter
from django_wxpay.simulator.notifications.notices import Letter, Notice, Reply
from django_wxpay.simulator.state.world import World

# Whoever takes one of these for WeChat Pay's would take anybody's.
_NOT_AUTHENTIC: Final = frozenset(
    {
        *("bad_signature", "unsigned", "hmac_answer", "other_body", "wrong_serial", PROBE),
        *("stale_timestamp", "future_timestamp", "tampered_ciphertext"),
    }
)


def letters(world: World, notice: Notice, fault: str) -> list[Letter]:
    """Write what is sent now: a probe, if that is the fault, and then the copies; lock held.

    Duplicates are written one by one, concurrent ones are the same octets.
    """
    copies, notice.copies = notice.copies, 1
    # A probe is followed by the genuine message, which no fault befalls.
    probes = [_letter(world, notice, PROBE)] if fault == PROBE else []
    rest = "" if probes else fault
    if notice.at_once:
        return probes + [_letter(world, notice, rest)] * copies
    return probes + [_letter(world, notice, rest) for _ in range(copies)]


def is_heard(notice: Notice, letter: Letter, reply: Reply) -> bool:
    """Say whether ``reply`` stops the retries; the one to a probe never does."""
    return letter.fault != PROBE and _is_taken(notice, reply)


def client_failure(notice: Notice, letter: Letter, reply: Reply) -> str:
    """Return what a shop does wrong that answers ``letter`` like this, "" for nothing."""
    if letter.fault not in _NOT_AUTHENTIC or not _is_taken(notice, reply):
        return ""
    return f"accepted what cannot be verified ({letter.fault})"


def _is_taken(notice: Notice, reply: Reply) -> bool:
    return is_heard_v3(reply) if notice.api is Api.V3 else is_heard_v2(reply)


def _letter(world: World, notice: Notice, fault: str) -> Letter:
    write = v3_letter if notice.api is Api.V3 else v2_letter
    return write(world, notice, fault)
