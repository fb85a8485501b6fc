"""Which keys are believed, how new ones are learnt, and how seldom anybody is asked for them."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.gateway import PlatformKeys
from django_wxpay.gateway.v3 import platform_keys
from django_wxpay.gateway.v3.platform_keys import (
    CHECK_AFTER,
    LOOK_PAUSE,
    REFRESH_AFTER,
    UNKNOWN_SERIAL_PAUSE,
    KeyNotHereYet,
)
from django_wxpay.protocol.errors import (
    BadSignature,
    ConfigurationError,
    OutcomeUnknown,
    Refused,
    WXPayError,
)
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v3 import certificates as v3_certificates
from django_wxpay.protocol.v3 import keys as v3_keys
from django_wxpay.protocol.v3.certificates import PlatformCertificate, read_certificate
from django_wxpay.protocol.v3.key_names import key_name
from django_wxpay.protocol.v3.keys import load_public_key
from tests.gateway.till import PRIMARY, STANDBY, MemoryStore, Till
from tests.protocol.v3 import keys
from tests.protocol.v3.samples import MAINLAND, NOW, REF
from tests.wechatpay.transport import HTML
from tests.wechatpay.v3 import (
    OLD,
    YOUNG,
    YOUNG_KEY,
    YOUNG_SERIAL,
    certificate,
    listing,
    refusal,
    signed,
)

OLD_SERIAL = keys.PLATFORM_SERIAL
STRANGE_SERIAL = "F" * 40
MERCHANT = replace(MAINLAND, hosts=(PRIMARY, STANDBY))
MODERN = replace(
    MERCHANT,
    wechatpay_public_key=keys.WECHATPAY_PUBLIC_KEY,
    wechatpay_public_key_id=keys.PUBLIC_KEY_ID,
)
PINNED = replace(MERCHANT, platform_certificates=(OLD,))
BOTH = read_certificate(OLD), read_certificate(YOUNG)
UNPAID = {
    "mchid": MAINLAND.mch_id,
    "appid": REF.appid,
    "out_trade_no": REF.out_trade_no,
    "trade_state": "NOTPAY",
}


class Source:
    """Where certificates are downloaded from: it counts, and does what it is told."""

    def __init__(self, *listed: PlatformCertificate, error: Exception | None = None) -> None:
        self.listed = listed
        self.error = error
        self.downloads = 0
        self.behave: Callable[[], object] = lambda: None

    def __call__(self) -> Sequence[PlatformCertificate]:
        self.downloads += 1
        self.behave()
        if self.error is not None:
            raise self.error
        return self.listed


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> Any:
        return self.time

    def advance(self, span: timedelta) -> None:
        self.time += span


class Ring:
    """The keys of a merchant with everything around them."""

    def __init__(self, merchant: Merchant = MERCHANT, *, store: MemoryStore | None = None) -> None:
        self.clock = Clock()
        self.store = store or MemoryStore()
        self.store.now = self.clock  # type: ignore[method-assign]
        self.source = Source(*BOTH)
        self.keys = PlatformKeys(merchant, store=self.store, now=self.clock, wait_s=0.2)

    def find(self, serial: str) -> object:
        return self.keys.find(serial, self.source)

    def refresh(self) -> bool:
        return self.keys.refresh_if_due(self.source)


def public(key: str) -> object:
    return v3_keys.load_private_key(key).public_key()


# What the settings hold


def test_keys_of_the_settings_are_believed_and_nobody_is_asked() -> None:
    ring = Ring(replace(MODERN, platform_certificates=(OLD, YOUNG)))
    assert ring.keys.known(keys.PUBLIC_KEY_ID) == load_public_key(keys.WECHATPAY_PUBLIC_KEY)
    assert ring.find(OLD_SERIAL) == public(keys.PLATFORM_KEY)
    assert ring.find(YOUNG_SERIAL) == public(YOUNG_KEY)
    assert (ring.store.looks, ring.store.asked, ring.source.downloads) == (0, [], 0)


@pytest.mark.parametrize(
    "serial", [OLD_SERIAL, OLD_SERIAL.lower(), OLD_SERIAL.lstrip("0"), f"0{OLD_SERIAL}"]
)
def test_a_serial_is_a_number_however_it_is_written(serial: str) -> None:
    ring = Ring(PINNED)
    assert OLD_SERIAL.startswith("0")
    assert ring.find(serial) == public(keys.PLATFORM_KEY)
    assert ring.keys.known(serial) == public(keys.PLATFORM_KEY)
    assert ring.store.looks == 0


@pytest.mark.parametrize(
    "change",
    [
        {"wechatpay_public_key": "nonsense"},
        {"wechatpay_public_key": ""},
        {"platform_certificates": ("nonsense",)},
    ],
)
def test_a_key_in_the_settings_that_is_none_is_their_fault(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Ring(replace(MODERN, **change))


def test_no_key_is_in_the_repr() -> None:
    shown = f"{Ring(replace(MODERN, platform_certificates=(OLD,))).keys!r}"
    assert "BEGIN" not in shown
    assert keys.API_V3_KEY not in shown


# What is looked for


def test_a_certificate_in_the_store_is_believed_without_a_download() -> None:
    ring = Ring(store=MemoryStore(OLD, YOUNG))
    assert ring.find(YOUNG_SERIAL) == public(YOUNG_KEY)
    assert ring.find(OLD_SERIAL) == public(keys.PLATFORM_KEY)
    assert (ring.store.looks, ring.source.downloads) == (1, 0)


def test_a_certificate_another_process_downloaded_is_found_in_the_store() -> None:
    ring = Ring(store=MemoryStore(OLD))
    assert ring.find(OLD_SERIAL) is not None
    ring.store.pems.append(YOUNG)
    ring.clock.advance(LOOK_PAUSE)
    assert ring.find(YOUNG_SERIAL) == public(YOUNG_KEY)
    assert ring.source.downloads == 0


def test_a_flood_of_forged_serials_costs_a_query_a_second_and_holds_up_no_call() -> None:
    ring = Ring(store=MemoryStore(OLD))
    for number in range(1000):
        assert ring.find(f"F{number:039X}") is None
    assert (ring.store.looks, ring.source.downloads) == (1, 1)
    # What a call of ours needs is looked for whatever strangers do.
    ring.keys.find(STRANGE_SERIAL, ring.source, is_our_call=True)
    assert ring.store.looks == 2
    ring.refresh()
    with ring.keys._lock:
        assert together(1, ring.refresh) == [False], "a refresh that is not due waits for nobody"
    ring.store.pems.append(certificate("CD"))
    ring.clock.advance(LOOK_PAUSE)
    assert ring.find("0" * 38 + "CD") is not None


def test_an_unknown_certificate_is_downloaded_once_believed_and_kept() -> None:
    ring = Ring(store=MemoryStore(OLD))
    assert ring.find(YOUNG_SERIAL) == public(YOUNG_KEY)
    assert ring.find(YOUNG_SERIAL) == public(YOUNG_KEY)
    assert ring.find(OLD_SERIAL) == public(keys.PLATFORM_KEY)
    assert ring.source.downloads == 1
    assert ring.store.pems == [OLD, YOUNG]
    assert ring.store.asked == [UNKNOWN_SERIAL_PAUSE]


def test_a_stranger_may_cause_one_download_a_minute() -> None:
    ring = Ring()
    asked = []
    for seconds in (0, 1, 58, 1, 1):
        ring.clock.advance(timedelta(seconds=seconds))
        assert ring.find(STRANGE_SERIAL) is None
        asked.append((ring.source.downloads, len(ring.store.asked)))
    assert asked == [(1, 1), (1, 1), (1, 1), (2, 2), (2, 2)]


def test_the_minute_is_that_of_all_processes() -> None:
    store = MemoryStore()
    first, second = Ring(store=store), Ring(store=store)
    assert first.find(STRANGE_SERIAL) is None
    assert second.find("E" * 40) is None
    assert (first.source.downloads, second.source.downloads) == (1, 0)
    assert len(store.asked) == 2


def test_what_the_first_of_two_processes_learnt_the_second_knows() -> None:
    store = MemoryStore()
    first, second = Ring(store=store), Ring(store=store)
    assert first.find(YOUNG_SERIAL) == second.find(YOUNG_SERIAL) == public(YOUNG_KEY)
    assert (first.source.downloads, second.source.downloads) == (1, 0)


def test_a_clock_that_goes_back_does_not_stop_the_search() -> None:
    ring = Ring()
    assert ring.find(STRANGE_SERIAL) is None
    ring.clock.advance(timedelta(days=-1))
    ring.store.claimed_at = None
    assert ring.find(STRANGE_SERIAL) is None
    assert ring.source.downloads == 2


@pytest.mark.parametrize("merchant", [MERCHANT, MODERN])
@pytest.mark.parametrize(
    "serial",
    [
        "PUB_KEY_ID_0000000000000000000000000000000001",
        "PUB_KEY_ID_",
        "pub_key_id_" + "0" * 29,
        "",
        "G" * 40,
        "A" * 41,
        "A" * 39 + "\n",
        "٠" * 40,
    ],
)
def test_what_names_no_certificate_is_looked_for_nowhere(merchant: Merchant, serial: str) -> None:
    ring = Ring(merchant)
    assert ring.find(serial) is None
    assert (ring.store.looks, ring.store.asked, ring.source.downloads) == (0, [], 0)


@given(st.text(max_size=60))
def test_no_name_breaks_the_search_or_finds_another_key(serial: str) -> None:
    ring = Ring(PINNED)
    found = ring.find(serial)
    assert (found is None) is (key_name(serial) != OLD_SERIAL)


# Downloads that fail


@pytest.mark.parametrize(
    "error",
    [
        OutcomeUnknown("no trustworthy answer"),
        BadSignature("API_V3_KEY does not open the certificates"),
        Refused("NO_AUTH"),
        ConfigurationError("API_V3_KEY is not 32 bytes long"),
    ],
)
def test_a_download_that_fails_costs_no_key_and_raises_nothing(
    error: WXPayError, caplog: pytest.LogCaptureFixture
) -> None:
    ring = Ring(MODERN, store=MemoryStore(OLD))
    ring.source.error = error
    assert ring.find(STRANGE_SERIAL) is None
    assert ring.find(OLD_SERIAL) == public(keys.PLATFORM_KEY)
    assert ring.find(keys.PUBLIC_KEY_ID) is not None
    assert ring.store.pems == [OLD]
    assert [record.getMessage() for record in caplog.records] == [
        f"certificates of mainland not refreshed: {error}"
    ]


def test_what_is_no_error_of_ours_is_not_swallowed_and_locks_nobody_out() -> None:
    ring = Ring(store=MemoryStore(OLD))
    ring.source.error = RuntimeError("a bug")
    with pytest.raises(RuntimeError):
        ring.find(STRANGE_SERIAL)
    with pytest.raises(RuntimeError):
        ring.clock.advance(REFRESH_AFTER)
        ring.refresh()
    ring.source.error = None
    ring.clock.advance(UNKNOWN_SERIAL_PAUSE)
    assert ring.find(YOUNG_SERIAL) == public(YOUNG_KEY)


def test_what_cannot_be_kept_is_known_all_the_same_and_fetched_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ring = Ring(store=MemoryStore(OLD))

    def keep(_: object) -> None:
        raise RuntimeError("the database is down")

    with monkeypatch.context() as patched:
        patched.setattr(ring.store, "keep", keep)
        with pytest.raises(RuntimeError):
            ring.find(YOUNG_SERIAL)
    assert ring.find(YOUNG_SERIAL) == public(YOUNG_KEY)
    ring.clock.advance(CHECK_AFTER)
    ring.refresh()
    assert ring.source.downloads == 2
    assert ring.store.pems == [OLD, YOUNG]


def test_a_kept_certificate_that_cannot_be_read_is_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ring = Ring(store=MemoryStore("a broken row", OLD))
    assert ring.find(OLD_SERIAL) == public(keys.PLATFORM_KEY)
    assert ring.find(STRANGE_SERIAL) is None
    assert "a certificate stored for mainland is unreadable" in caplog.text
    assert "a broken row" not in caplog.text
    assert len(caplog.records) == 1


def test_a_list_never_puts_another_key_in_the_place_of_one_that_is_believed() -> None:
    ring = Ring(PINNED)
    ring.source.listed = (read_certificate(certificate(OLD_SERIAL, YOUNG_KEY)),)
    assert ring.find(STRANGE_SERIAL) is None
    assert ring.source.downloads == 1
    assert ring.find(OLD_SERIAL) == public(keys.PLATFORM_KEY)


# Refreshing


def test_certificates_in_use_are_downloaded_twice_a_day() -> None:
    ring = Ring(store=MemoryStore(OLD))
    at = []
    for minutes in range(48 * 60):
        before = ring.source.downloads
        ring.refresh()
        at += [minutes] * (ring.source.downloads - before)
        ring.clock.advance(timedelta(minutes=1))
    assert at == [0, 660, 1320, 1980, 2640]
    assert max(after - before for before, after in itertools.pairwise(at)) < 12 * 60
    assert ring.store.looks == 48 * 2


def test_processes_take_turns_and_none_stays_behind() -> None:
    store = MemoryStore(OLD)
    rings = [Ring(store=store) for _ in range(3)]
    for _ in range(48):
        for ring in rings:
            ring.refresh()
            ring.clock.advance(timedelta(minutes=30))
            store.now = ring.clock  # type: ignore[method-assign]
    assert sum(ring.source.downloads for ring in rings) == 3
    assert all(ring.keys.known(YOUNG_SERIAL) for ring in rings)


@pytest.mark.parametrize("merchant", [MERCHANT, MODERN])
def test_where_no_certificate_is_used_none_is_downloaded(merchant: Merchant) -> None:
    ring = Ring(merchant)
    for _ in range(50):
        ring.refresh()
        ring.clock.advance(CHECK_AFTER)
    assert ring.source.downloads == 0
    assert ring.store.asked == []


def test_a_certificate_in_the_settings_is_refreshed_too() -> None:
    ring = Ring(PINNED)
    ring.refresh()
    assert ring.source.downloads == 1
    assert ring.keys.known(YOUNG_SERIAL) == public(YOUNG_KEY)
    assert ring.store.pems == [OLD, YOUNG]


def test_after_a_refresh_that_failed_the_next_look_tries_again() -> None:
    ring = Ring(store=MemoryStore(OLD))
    ring.source.error = OutcomeUnknown("no trustworthy answer")
    ring.refresh()
    ring.clock.advance(CHECK_AFTER - timedelta(seconds=1))
    ring.refresh()
    assert ring.source.downloads == 1
    ring.clock.advance(timedelta(seconds=1))
    ring.source.error = None
    ring.refresh()
    assert ring.source.downloads == 2
    assert ring.keys.known(YOUNG_SERIAL) is not None
    ring.clock.advance(CHECK_AFTER)
    ring.refresh()
    assert ring.source.downloads == 2
    assert ring.store.asked == [REFRESH_AFTER, CHECK_AFTER, REFRESH_AFTER]


def test_a_refresh_says_whether_it_downloaded_and_the_keys_whether_one_is_overdue() -> None:
    ring = Ring(store=MemoryStore(OLD))
    assert not ring.keys.is_overdue
    ring.source.error = OutcomeUnknown("no trustworthy answer")
    assert (ring.refresh(), ring.keys.is_overdue) == (False, True)
    assert (ring.refresh(), ring.keys.is_overdue) == (False, True), "not yet time to look"
    ring.clock.advance(CHECK_AFTER)
    ring.source.error = None
    assert (ring.refresh(), ring.keys.is_overdue) == (True, False)
    ring.clock.advance(CHECK_AFTER)
    assert (ring.refresh(), ring.keys.is_overdue) == (False, False), "nothing is due"


def test_a_strangers_serial_makes_no_refresh_overdue_where_no_certificates_are_used() -> None:
    ring = Ring(MODERN)
    ring.source.error = OutcomeUnknown("no trustworthy answer")
    assert ring.find(STRANGE_SERIAL) is None
    assert ring.source.downloads == 1
    assert (ring.refresh(), ring.keys.is_overdue) == (False, False)


NONE_THERE = [Refused("RESOURCE_NOT_EXISTS"), Refused("NOT_FOUND")]


@pytest.mark.parametrize("error", NONE_THERE)
@pytest.mark.parametrize(
    "ring",
    [
        lambda: Ring(MODERN, store=MemoryStore(OLD)),
        lambda: Ring(replace(MODERN, platform_certificates=(OLD,))),
    ],
)
def test_after_a_migration_to_the_public_key_there_is_nothing_to_renew(
    error: Refused, ring: Callable[[], Ring], caplog: pytest.LogCaptureFixture
) -> None:
    migrated = ring()
    migrated.source.error = error
    for _ in range(3):
        assert (migrated.refresh(), migrated.keys.is_overdue) == (False, False)
        migrated.clock.advance(REFRESH_AFTER)
    assert migrated.source.downloads == 3
    assert set(migrated.store.asked) == {REFRESH_AFTER}
    assert caplog.text == ""
    # What WeChat Pay signed before, and signs on the last day, is still verified.
    assert migrated.find(OLD_SERIAL) == public(keys.PLATFORM_KEY)


@pytest.mark.parametrize("error", NONE_THERE)
def test_without_the_public_key_a_certificate_without_a_successor_is_overdue(
    error: Refused, caplog: pytest.LogCaptureFixture
) -> None:
    ring = Ring(store=MemoryStore(OLD))
    ring.source.error = error
    assert (ring.refresh(), ring.keys.is_overdue) == (False, True)
    assert "not refreshed" in caplog.text


@pytest.mark.parametrize(
    "error", [Refused("NO_AUTH"), Refused("SIGN_ERROR"), OutcomeUnknown("no trustworthy answer")]
)
def test_in_a_migration_any_other_failure_is_a_failure(error: WXPayError) -> None:
    ring = Ring(MODERN, store=MemoryStore(OLD))
    ring.source.error = error
    assert (ring.refresh(), ring.keys.is_overdue) == (False, True)


def test_in_the_middle_of_a_migration_certificates_are_renewed() -> None:
    ring = Ring(MODERN, store=MemoryStore(OLD))
    assert (ring.refresh(), ring.keys.is_overdue) == (True, False)
    assert ring.store.pems == [OLD, YOUNG]


def test_certificates_that_have_all_expired_are_missed_unless_the_public_key_replaced_them() -> (
    None
):
    expired, migrated = MemoryStore(), MemoryStore()
    expired.has_old_ones = migrated.has_old_ones = True
    ring = Ring(store=expired)
    ring.source.error = OutcomeUnknown("no trustworthy answer")
    assert (ring.refresh(), ring.keys.is_overdue) == (False, True)
    ring.source.error = None
    ring.clock.advance(CHECK_AFTER)
    assert (ring.refresh(), ring.keys.is_overdue) == (True, False)

    done = Ring(MODERN, store=migrated)
    assert (done.refresh(), done.keys.is_overdue, done.source.downloads) == (False, False, 0)


def ended(ring: Ring, *left: str) -> None:
    """Let time pass in which the certificates of the store end, but for some that are left."""
    assert ring.find(OLD_SERIAL) is not None
    assert ring.find(YOUNG_SERIAL) is not None
    ring.store.pems = list(left)
    ring.source.listed = tuple(map(read_certificate, left))
    ring.clock.advance(CHECK_AFTER)
    ring.refresh()


def test_a_certificate_that_has_ended_is_trusted_no_more_once_there_is_another() -> None:
    ring = Ring(store=MemoryStore(OLD, YOUNG))
    ended(ring, YOUNG)
    assert ring.keys.known(OLD_SERIAL) is None
    assert ring.find(OLD_SERIAL) is None
    assert ring.find(YOUNG_SERIAL) == public(YOUNG_KEY)
    # Its end was brought forward, and was put back.
    ring.store.pems = [OLD, YOUNG]
    ring.clock.advance(UNKNOWN_SERIAL_PAUSE)
    assert ring.find(OLD_SERIAL) == public(keys.PLATFORM_KEY)


def test_one_that_was_written_otherwise_or_cannot_be_read_ends_as_well() -> None:
    ring = Ring(store=MemoryStore(f"{OLD}\n", YOUNG, "nonsense"))
    ended(ring, YOUNG)
    assert ring.find(OLD_SERIAL) is None
    assert ring.find(YOUNG_SERIAL) == public(YOUNG_KEY)


def test_the_last_certificates_stay_trusted_until_there_is_another() -> None:
    ring = Ring(store=MemoryStore(OLD, YOUNG))
    ended(ring)
    assert ring.find(OLD_SERIAL) == public(keys.PLATFORM_KEY)
    ring.store.pems = [YOUNG]
    ring.clock.advance(CHECK_AFTER)
    ring.refresh()
    assert ring.find(OLD_SERIAL) is None


def test_a_certificate_of_the_settings_is_trusted_for_as_long_as_it_is_there() -> None:
    ring = Ring(PINNED, store=MemoryStore(OLD, YOUNG))
    ended(ring, YOUNG)
    assert ring.find(OLD_SERIAL) == public(keys.PLATFORM_KEY)


def test_what_the_store_never_had_has_not_ended() -> None:
    ring = Ring(store=MemoryStore(OLD))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ring.store, "keep", lambda _: None)
        assert ring.find(YOUNG_SERIAL) is not None
    ring.clock.advance(CHECK_AFTER)
    ring.refresh()
    assert ring.keys.known(YOUNG_SERIAL) == public(YOUNG_KEY)


def test_a_clock_that_goes_back_does_not_stop_the_refreshing() -> None:
    ring = Ring(store=MemoryStore(OLD))
    ring.clock.advance(timedelta(days=365))
    ring.refresh()
    ring.clock.advance(timedelta(days=-365))
    ring.refresh()
    assert ring.store.looks == 2


# Many at once


def together(count: int, work: Callable[[], object]) -> list[object]:
    """Run ``work`` in many threads at the same moment and return what each brought."""
    start = threading.Barrier(count)
    brought: list[object] = []

    def run() -> None:
        start.wait(5)
        brought.append(work())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return brought


def test_twenty_threads_with_one_unknown_serial_make_one_download() -> None:
    ring = Ring(store=MemoryStore(OLD))
    ring.source.behave = lambda: time.sleep(0.05)
    assert together(20, lambda: ring.find(YOUNG_SERIAL)) == [public(YOUNG_KEY)] * 20
    assert ring.source.downloads == 1
    assert ring.store.looks == 1


def test_twenty_threads_with_strange_serials_make_one_download() -> None:
    ring = Ring(store=MemoryStore(OLD))
    assert together(20, lambda: ring.find(STRANGE_SERIAL)) == [None] * 20
    assert ring.source.downloads == 1
    assert len(ring.store.asked) == 1


class Slow:
    """A download that has begun and is let go by the test."""

    def __init__(self, ring: Ring) -> None:
        self.begun, self.over = threading.Event(), threading.Event()

        def behave() -> None:
            self.begun.set()
            assert self.over.wait(10)

        ring.source.behave = behave
        self.found: list[object] = []
        self.thread = threading.Thread(target=lambda: self.found.append(ring.find(YOUNG_SERIAL)))

    def __enter__(self) -> Self:
        self.thread.start()
        assert self.begun.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join(10)


def test_while_a_download_runs_nobody_waits_for_what_is_known() -> None:
    ring = Ring(MODERN, store=MemoryStore(OLD))
    assert ring.find(OLD_SERIAL) is not None
    with Slow(ring) as slow:
        assert ring.find(OLD_SERIAL) == public(keys.PLATFORM_KEY)
        assert ring.find(keys.PUBLIC_KEY_ID) is not None
        assert ring.find("PUB_KEY_ID_0") is None
        ring.refresh()
        assert slow.found == []
    assert slow.found == [public(YOUNG_KEY)]
    assert ring.source.downloads == 1


def test_while_a_download_is_slow_one_waits_for_a_moment_and_nobody_after_him() -> None:
    """None of them is told that his key is false, for that is not known yet."""
    ring = Ring(store=MemoryStore(OLD))
    with Slow(ring) as slow:
        looks, waited = ring.store.looks, []
        for _ in range(20):
            began = time.monotonic()
            with pytest.raises(KeyNotHereYet):
                ring.find(STRANGE_SERIAL)
            waited.append(time.monotonic() - began)
        assert waited[0] >= 0.2
        assert sum(waited[1:]) < 0.2, "nineteen would have waited for four seconds"
        assert ring.store.looks == looks, "nor do they cost a query"
        assert slow.found == []
    assert ring.find(OLD_SERIAL) is not None
    assert ring.source.downloads == 1


@pytest.mark.parametrize("is_our_call", [False, True])
def test_a_download_whose_thread_cannot_start_is_tried_again(is_our_call: bool) -> None:
    ring = Ring()
    run = ring.keys._run

    def full(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    ring.keys._run = full
    with pytest.raises(KeyNotHereYet):
        ring.keys.find(YOUNG_SERIAL, ring.source, is_our_call=is_our_call)
    ring.keys._run = run
    ring.clock.advance(UNKNOWN_SERIAL_PAUSE)
    found = ring.keys.find(YOUNG_SERIAL, ring.source, is_our_call=is_our_call)
    assert found == public(YOUNG_KEY)
    assert ring.source.downloads == 1


def test_who_waited_for_a_refresh_that_had_nothing_to_do_looks_for_himself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ring = Ring(store=MemoryStore(OLD))
    begun, over, found = threading.Event(), threading.Event(), list[object]()

    def refresh(_: object) -> bool:
        begun.set()
        assert over.wait(10)
        return False

    monkeypatch.setattr(ring.keys, "_refresh", refresh)
    refreshing = threading.Thread(target=ring.refresh)
    refreshing.start()
    assert begun.wait(10)
    asking = threading.Thread(
        target=lambda: found.append(ring.keys.find(YOUNG_SERIAL, ring.source, is_our_call=True))
    )
    asking.start()
    time.sleep(0.05)
    over.set()
    refreshing.join(10)
    asking.join(10)
    assert found == [public(YOUNG_KEY)]
    assert ring.source.downloads == 1


def test_what_another_thread_has_just_added_is_looked_for_nowhere() -> None:
    ring = Ring(PINNED)
    assert not ring.keys._has_to_download(OLD_SERIAL)
    assert (ring.store.looks, ring.store.asked) == (0, [])


def test_a_call_of_our_own_waits_for_a_slow_download() -> None:
    ring = Ring(store=MemoryStore(OLD))
    found: list[object] = []
    with Slow(ring) as slow:
        with pytest.raises(KeyNotHereYet):
            ring.find(STRANGE_SERIAL)
        ours = threading.Thread(
            target=lambda: found.append(ring.keys.find(YOUNG_SERIAL, ring.source, is_our_call=True))
        )
        ours.start()
    ours.join(10)
    assert found == slow.found == [public(YOUNG_KEY)]


def test_a_refresh_that_runs_is_waited_for_like_any_download() -> None:
    ring = Ring(store=MemoryStore(OLD))
    begun, over = threading.Event(), threading.Event()

    def behave() -> None:
        begun.set()
        assert over.wait(10)

    ring.source.behave = behave
    refreshing = threading.Thread(target=ring.refresh)
    refreshing.start()
    assert begun.wait(10)
    with pytest.raises(KeyNotHereYet):
        ring.find(YOUNG_SERIAL)
    over.set()
    refreshing.join(10)
    assert ring.find(YOUNG_SERIAL) == public(YOUNG_KEY)
    assert ring.source.downloads == 1


# With a gateway at hand


def young(content: object = UNPAID) -> tuple[int, bytes, dict[str, str]]:
    return signed(content, serial=YOUNG_SERIAL, key=YOUNG_KEY)


NEW_LIST = listing({OLD_SERIAL: OLD, YOUNG_SERIAL: YOUNG})


def test_a_new_installation_learns_its_first_certificate_with_its_first_call() -> None:
    first = listing({OLD_SERIAL: OLD})
    till = Till(
        [signed(UNPAID), signed(first), signed(UNPAID)], merchant=MERCHANT, store=MemoryStore()
    )
    till.gateway.query(REF)
    till.gateway.query(REF)
    assert [path.partition("?")[0] for path in till.paths] == [
        "/v3/pay/transactions/out-trade-no/ORDER20240501A",
        "/v3/certificates",
        "/v3/pay/transactions/out-trade-no/ORDER20240501A",
    ]
    assert till.failures == ["", "", ""]
    named = ["", REF.out_trade_no, REF.out_trade_no]
    assert [record.out_trade_no for record in till.records] == named
    assert till.store.pems == [OLD]


@pytest.mark.parametrize(
    "told", [signed(NEW_LIST), signed(NEW_LIST, serial=YOUNG_SERIAL, key=YOUNG_KEY)]
)
def test_a_rotation_costs_one_download_whichever_key_signs_the_list(told: Any) -> None:
    till = Till([young(), told, young(), signed(UNPAID)], merchant=MERCHANT)
    till.store.claimed_at = NOW - UNKNOWN_SERIAL_PAUSE
    for _ in range(3):
        till.gateway.query(REF)
    assert till.asked == [4]
    assert till.paths.count("/v3/certificates") == 1
    assert till.failures == [""] * 4
    assert till.store.pems == [OLD, YOUNG]


def test_an_entry_of_the_list_that_cannot_be_read_leaves_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    content = json.loads(listing({OLD_SERIAL: OLD, YOUNG_SERIAL: YOUNG}))
    content["data"][0]["encrypt_certificate"]["algorithm"] = "AEAD_SM4_128_GCM"
    told = signed(content, serial=YOUNG_SERIAL, key=YOUNG_KEY)
    till = Till([young(), told, young()], merchant=MERCHANT, store=MemoryStore())
    for _ in range(2):
        till.gateway.query(REF)
    assert till.failures == [""] * 3
    assert till.store.pems == [YOUNG]
    [line] = caplog.messages
    assert OLD_SERIAL in line
    assert "algorithm" in line


def test_a_serial_that_is_in_no_list_is_not_believed() -> None:
    till = Till([young(), signed(listing({OLD_SERIAL: OLD}))], merchant=MERCHANT)
    till.store.claimed_at = NOW - UNKNOWN_SERIAL_PAUSE
    with pytest.raises(BadSignature, match=YOUNG_SERIAL):
        till.gateway.query(REF)
    assert till.paths.count("/v3/certificates") == 1
    assert sorted(till.failures) == ["", "BAD_SIGNATURE"]


@pytest.mark.parametrize(
    "told", [(502, HTML), refusal(404, "RESOURCE_NOT_EXISTS"), (200, HTML), young({"data": []})]
)
def test_a_rotation_whose_download_fails_leaves_the_old_key_in_use(told: Any) -> None:
    merchant = replace(MERCHANT, hosts=(PRIMARY,))
    till = Till([young(), told, signed(UNPAID)], merchant=merchant)
    till.store.claimed_at = NOW - UNKNOWN_SERIAL_PAUSE
    with pytest.raises(BadSignature):
        till.gateway.query(REF)
    assert till.gateway.query(REF).out_trade_no == REF.out_trade_no
    assert till.store.pems == [OLD]


def test_a_list_that_is_signed_with_a_key_nobody_knows_asks_for_no_further_list() -> None:
    nested = signed(listing({OLD_SERIAL: OLD}), serial=STRANGE_SERIAL, key=keys.PUBLIC_MODE_KEY)
    till = Till([young(), nested], merchant=MERCHANT, store=MemoryStore())
    with pytest.raises(BadSignature):
        till.gateway.query(REF)
    assert till.asked == [2]
    assert till.store.pems == []


def test_a_refresh_comes_before_the_call_and_never_in_its_way() -> None:
    till = Till([(502, HTML), signed(UNPAID)], merchant=replace(MERCHANT, hosts=(PRIMARY,)))
    till.store.claimed_at = NOW - REFRESH_AFTER
    assert till.gateway.query(REF).out_trade_no == REF.out_trade_no
    assert till.paths[0] == "/v3/certificates"
    assert till.failures == ["HTTP_5XX", ""]


def test_a_merchant_in_public_key_mode_downloads_nothing() -> None:
    yes = signed(UNPAID, serial=keys.PUBLIC_KEY_ID, key=keys.PUBLIC_MODE_KEY)
    till = Till([yes, signed(UNPAID, serial="PUB_KEY_ID_42")], merchant=MODERN, store=MemoryStore())
    for _ in range(2):
        with_key = till.keys.known(keys.PUBLIC_KEY_ID)
        assert with_key is not None
        till.now += timedelta(seconds=60)
    till.gateway.query(REF)
    with pytest.raises(BadSignature, match="PUB_KEY_ID_42"):
        till.gateway.query(REF)
    assert till.asked == [2]
    assert till.store.asked == []


def test_what_was_downloaded_is_not_read_again_from_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []

    def reading(pem: str) -> PlatformCertificate:
        read.append(pem)
        return read_certificate(pem)

    monkeypatch.setattr(platform_keys, "read_certificate", reading)
    ring = Ring(store=MemoryStore(OLD))
    for _ in range(5):
        assert ring.find(STRANGE_SERIAL) is None
        ring.clock.advance(UNKNOWN_SERIAL_PAUSE)
    assert (ring.source.downloads, ring.store.looks) == (5, 5)
    assert ring.store.pems == [OLD, YOUNG]
    assert read == [OLD]


def test_every_key_is_read_once_however_many_calls_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []

    def counting(module: Any, name: str) -> None:
        original = getattr(module, name)

        def load(*args: Any, **kwargs: Any) -> Any:
            read.append(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(module, name, load)

    yes = signed(UNPAID)
    modern = signed(UNPAID, serial=keys.PUBLIC_KEY_ID, key=keys.PUBLIC_MODE_KEY)
    script = [yes, modern, young(), signed(UNPAID, serial=STRANGE_SERIAL)] * 10
    counting(v3_keys, "load_pem_private_key")
    counting(v3_keys, "load_pem_public_key")
    counting(v3_certificates, "load_certificate")
    v3_keys._private_key.cache_clear()
    v3_keys._public_key.cache_clear()
    till = Till(script, merchant=replace(MODERN, platform_certificates=(YOUNG,)))
    till.store.claimed_at = NOW + timedelta(days=1)
    refused = 0
    for _ in script:
        try:
            till.gateway.query(REF)
        except BadSignature:
            refused += 1
            till.now += timedelta(seconds=9)
    assert (till.asked, refused, till.store.looks) == ([40], 10, 11)
    assert sorted(read) == [
        "load_certificate",
        "load_certificate",
        "load_pem_private_key",
        "load_pem_public_key",
    ]
