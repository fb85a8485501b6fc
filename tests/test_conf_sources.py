"""Merchants of a source: asked for as needed, whatever the source does meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from django_wxpay import conf
from django_wxpay.conf import asking
from django_wxpay.conf import directories as directory_module
from django_wxpay.conf.directories import Directory, same_account
from django_wxpay.exceptions import ConfigurationError, UnknownMerchant
from django_wxpay.protocol.secrets import Secret
from tests.protocol.v3 import keys

KEY = "TESTKEYtestkeyTESTKEYtestkey0000"
OTHER_KEY = "TESTKEYtestkeyTESTKEYtestkey1111"
ENTRY: dict[str, Any] = {"APPID": "wx1", "MCH_ID": "1900000109", "API_KEY": KEY}
HERE = f"{__name__}.Source"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Source:
    """A source in memory that counts what it is asked."""

    is_prompt = True

    def __init__(self) -> None:
        self.entries: dict[str, Any] = {"tea": dict(ENTRY)}
        self.number: Hashable = 1
        self.asked: list[str] = []

    def get(self, alias: str) -> Mapping[str, Any]:
        self.asked.append(f"get {alias}")
        found: Mapping[str, Any] = self.entries[alias]
        return found

    def aliases(self) -> Iterable[str]:
        self.asked.append("aliases")
        return list(self.entries)

    def version(self) -> Hashable:
        self.asked.append("version")
        return self.number

    def change(self, alias: str, **settings: Any) -> None:
        self.entries[alias] = {**self.entries.get(alias, ENTRY), **settings}
        self.number = (self.number, "changed")


class Unbounded(Source):
    """A source that is asked on threads of their own."""

    is_prompt = False

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()
        self.hangs_at: set[str] = set()
        self.counting = threading.Lock()
        self.hanging = 0

    def wait(self, at: str) -> None:
        if at in self.hangs_at or at.partition(" ")[0] in self.hangs_at:
            self.asked.append(f"{at} hangs")
            with self.counting:
                self.hanging += 1
            self.let_go.wait(10)
            with self.counting:
                self.hanging -= 1

    def answer_again(self) -> None:
        """Let every question that hangs have its answer, and wait until its thread is gone."""
        self.hangs_at = set()
        self.let_go.set()
        for thread in threading.enumerate():
            if thread.name == "wxpay-merchants":
                thread.join(5)
        self.let_go.clear()

    def get(self, alias: str) -> Mapping[str, Any]:
        self.wait(f"get {alias}")
        return super().get(alias)

    def aliases(self) -> Iterable[str]:
        self.wait("aliases")
        return super().aliases()

    def version(self) -> Hashable:
        self.wait("version")
        return super().version()


class Transactional(Source):
    """A source that is read in the transaction of its caller, if one is open."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = False
        self.seen: dict[str, Any] = {}

    def may_keep(self) -> bool:
        return not self.is_open

    def get(self, alias: str) -> Mapping[str, Any]:
        found = super().get(alias)
        return self.seen.get(alias, found) if self.is_open else found

    def aliases(self) -> Iterable[str]:
        return [*super().aliases(), *(self.seen if self.is_open else ())]

    def version(self) -> Hashable:
        number = super().version()
        return ("seen", *self.seen) if self.is_open and self.seen else number


class Unmakeable:
    get = aliases = version = None

    def __init__(self) -> None:
        raise RuntimeError(f"the vault does not open with {KEY}")


def no_class(alias: str) -> None: ...


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def merchants(source: Source, clock: Clock) -> Directory:
    return Directory(source, clock=clock)


@pytest.fixture
def unbounded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Unbounded]:
    monkeypatch.setattr(asking, "PATIENCE_S", 0.2)
    source = Unbounded()
    yield source
    source.answer_again()
    assert source.hanging == 0


def settings_with(path: object, **others: Any) -> dict[str, Any]:
    return {"NOTIFY_BASE_URL": "https://shop.example.com", "MERCHANTS": path, **others}


def test_a_merchant_is_read_once_and_only_when_it_is_asked_for(
    merchants: Directory, source: Source
) -> None:
    source.change("coffee", MCH_ID="1900000110")
    assert [merchants["tea"].mch_id for _ in range(3)] == ["1900000109"] * 3
    assert source.asked == ["version", "aliases", "get tea"]
    assert list(merchants) == ["tea", "coffee"]
    assert len(merchants) == 2
    assert "coffee" in merchants
    assert "wine" not in merchants
    assert 5 not in merchants
    assert source.asked == ["version", "aliases", "get tea"]


def test_the_version_is_asked_for_once_a_second_at_most(
    merchants: Directory, source: Source, clock: Clock
) -> None:
    for _ in range(100):
        merchants["tea"]
        clock.now += 0.05
    assert 5 <= source.asked.count("version") <= 6
    assert source.asked.count("get tea") == 1


def test_a_change_is_seen_a_second_later(
    merchants: Directory, source: Source, clock: Clock
) -> None:
    before = merchants["tea"]
    source.change("tea", API_KEY=OTHER_KEY)
    assert merchants["tea"] is before
    clock.now += 1
    assert merchants["tea"].api_key == Secret(OTHER_KEY)
    assert merchants["tea"] is not before


def test_a_merchant_that_was_added_or_removed_is_so_a_second_later(
    merchants: Directory, source: Source, clock: Clock
) -> None:
    merchants["tea"]
    with pytest.raises(KeyError):
        merchants["coffee"]
    source.change("coffee")
    clock.now += 1
    assert merchants["coffee"].alias == "coffee"
    del source.entries["coffee"]
    source.number = "gone"
    clock.now += 1
    with pytest.raises(KeyError):
        merchants["coffee"]
    assert [each.alias for each in merchants.loaded()] == ["tea"]


def test_what_has_not_changed_stays_the_same_object(
    merchants: Directory, source: Source, clock: Clock
) -> None:
    before = merchants["tea"]
    source.change("coffee")
    clock.now += 1
    assert merchants["tea"] is before


def test_a_strangers_alias_is_never_asked_for(merchants: Directory, source: Source) -> None:
    for number in range(1000):
        with pytest.raises(KeyError):
            merchants[f"stranger-{number}"]
    with pytest.raises(KeyError):
        merchants[["tea"]]  # type: ignore[index]
    assert source.asked == ["version", "aliases"]


def test_an_alias_that_is_gone_meanwhile_is_unknown(merchants: Directory, source: Source) -> None:
    assert "tea" in merchants
    source.entries["tea"] = None
    with pytest.raises(KeyError):
        merchants["tea"]
    del source.entries["tea"]
    with pytest.raises(KeyError):
        merchants["tea"]


def test_memory_is_bounded(
    merchants: Directory, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "MOST_KEPT", 10)
    for number in range(30):
        source.change(f"shop-{number}")
    for number in range(30):
        assert merchants[f"shop-{number}"].alias == f"shop-{number}"
    assert [each.alias for each in merchants.loaded()] == [f"shop-{at}" for at in range(20, 30)]


def test_inside_one_request_an_account_stays_as_it_was(
    merchants: Directory, source: Source, clock: Clock
) -> None:
    with same_account():
        before = merchants["tea"]
        source.change("tea", API_KEY=OTHER_KEY)
        clock.now += 2
        with same_account():
            assert merchants["tea"] is before
        assert merchants["tea"] is before
    assert merchants["tea"].api_key == Secret(OTHER_KEY)


def test_a_change_that_is_not_committed_is_seen_in_its_transaction_alone(clock: Clock) -> None:
    source = Transactional()
    merchants = Directory(source, clock=clock)
    before, generation = merchants["tea"], merchants.generation()
    clock.now += 1
    source.is_open = True
    source.seen = {"tea": {**ENTRY, "API_KEY": OTHER_KEY}, "coffee": dict(ENTRY)}
    assert merchants["tea"].api_key == Secret(OTHER_KEY)
    assert list(merchants) == ["tea", "coffee"]
    source.entries["coffee"] = dict(ENTRY)
    assert merchants["coffee"].alias == "coffee"
    for alias in ("wine", "a shop"):
        with pytest.raises(KeyError):
            merchants[alias]
    assert "get a shop" not in source.asked
    # Another thread, before the commit and after it: the mark of the change is the same.
    source.is_open = False
    assert merchants["tea"] is before
    assert merchants.generation() == generation
    source.number = ("seen", *source.seen)
    source.entries = source.seen
    clock.now += 1
    assert merchants["tea"].api_key == Secret(OTHER_KEY)
    assert list(merchants) == ["tea", "coffee"]


def test_what_an_old_snapshot_shows_is_not_kept(clock: Clock) -> None:
    source = Transactional()
    merchants = Directory(source, clock=clock)
    assert list(merchants) == ["tea"]
    # The version is known from outside; the transaction still sees the merchant as it was.
    source.is_open = True
    source.seen = {"tea": {**ENTRY, "API_KEY": OTHER_KEY}}
    assert merchants["tea"].api_key == Secret(OTHER_KEY)
    for alias in ("wine", "a shop"):
        with pytest.raises(KeyError):
            merchants[alias]
    assert source.asked == ["version", "aliases", "get tea"]
    source.is_open = False
    assert merchants["tea"].api_key == Secret(KEY)
    assert source.asked.count("version") == 1


def test_to_go_over_all_merchants_in_a_transaction_asks_for_the_aliases_once(
    clock: Clock,
) -> None:
    source = Transactional()
    merchants = Directory(source, clock=clock)
    for number in range(5):
        source.change(f"shop-{number}")
    merchants.generation()
    source.is_open = True
    for _ in range(2):
        source.asked.clear()
        assert len([merchants[alias] for alias in merchants]) == 6
        assert source.asked.count("aliases") == 1
        source.change("tea")
        clock.now += 1
    assert merchants.loaded() == []


def test_one_that_a_transaction_no_longer_sees_stays_for_all_others(clock: Clock) -> None:
    source = Transactional()
    merchants = Directory(source, clock=clock)
    assert "tea" in merchants
    source.is_open = True
    source.seen = {"tea": None}
    with pytest.raises(KeyError):
        merchants["tea"]
    source.is_open = False
    assert merchants["tea"].alias == "tea"


def test_a_first_look_up_in_a_transaction_is_answered_and_not_kept(clock: Clock) -> None:
    source = Transactional()
    source.is_open = True
    merchants = Directory(source, clock=clock)
    assert merchants["tea"].alias == "tea"
    assert list(merchants) == ["tea"]
    assert merchants.loaded() == []
    with pytest.raises(ConfigurationError, match="not answered yet"):
        merchants.generation()

    def get(alias: str) -> Mapping[str, Any]:
        # Another thread, outside of it, has the first answer meanwhile.
        source.is_open = False
        assert merchants.generation() == 1
        source.is_open = True
        return ENTRY

    source.get = get  # type: ignore[method-assign]
    assert merchants["tea"].alias == "tea"
    merchants = Directory(source, clock=clock)
    source.version = fails  # type: ignore[method-assign]
    with pytest.raises(ConfigurationError, match="not answered yet"):
        merchants["tea"]


def test_a_transaction_that_sees_the_known_version_asks_for_nothing_else(clock: Clock) -> None:
    source = Transactional()
    merchants = Directory(source, clock=clock)
    before = merchants["tea"]
    source.asked.clear()
    clock.now += 1
    source.is_open = True
    assert merchants["tea"] is before
    assert source.asked == ["version"]
    # Whoever is outside of it need not wait a second more.
    source.is_open = False
    source.change("tea", API_KEY=OTHER_KEY)
    assert merchants["tea"].api_key == Secret(OTHER_KEY)


def test_a_source_that_cannot_say_whether_it_is_in_a_transaction_is_not_kept(
    clock: Clock,
) -> None:
    source = Transactional()
    source.may_keep = fails  # type: ignore[method-assign]
    merchants = Directory(source, clock=clock)
    assert merchants["tea"].alias == "tea"
    assert merchants.loaded() == []


NONSENSE: list[tuple[Any, str]] = [
    ("wx1", "is not a dict"),
    ({}, "APPID"),
    ({**ENTRY, "API_KEY": "short"}, "API_KEY"),
    ({**ENTRY, "API_KEY": 5}, "a number"),
    ({**ENTRY, "REGION": "mars"}, "REGION"),
    ({**ENTRY, "CLIENT_KEY": "/nowhere/key.pem"}, "CLIENT_KEY"),
    ({**ENTRY, "API": "v3", "API_V3_KEY": keys.API_V3_KEY}, "PRIVATE_KEY"),
    (
        {
            **ENTRY,
            "API_V3_KEY": "too short",
            "PRIVATE_KEY": keys.MERCHANT_KEY,
            "CERT_SERIAL_NO": keys.MERCHANT_SERIAL,
        },
        "API_V3_KEY",
    ),
]


@pytest.mark.parametrize(("entry", "word"), NONSENSE)
def test_nonsense_puts_one_merchant_out_of_order_and_no_other(
    entry: Any, word: str, merchants: Directory, source: Source, clock: Clock
) -> None:
    source.entries["coffee"] = entry
    with pytest.raises(ConfigurationError, match=word) as raised:
        merchants["coffee"]
    assert "coffee" in str(raised.value)
    assert merchants["tea"].alias == "tea"
    problem = merchants.problem("coffee")
    assert problem is not None
    assert (problem.merchant, word in problem.message) == ("coffee", True)
    assert merchants.problem("tea") is None
    source.change("coffee", **ENTRY) if isinstance(entry, dict) else source.entries.update(
        coffee=ENTRY
    )
    source.number = "mended"
    clock.now += 1
    assert "coffee" in merchants


def test_an_entry_that_raises_when_it_is_read_is_out_of_order(
    merchants: Directory, source: Source
) -> None:
    class Broken(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            raise RuntimeError(KEY)

    source.entries["coffee"] = Broken(ENTRY)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        merchants["coffee"]


def test_aliases_that_no_address_can_have_are_passed_over(
    merchants: Directory, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    source.aliases = lambda: ["tea", 5, "a shop", "tea"]  # type: ignore[method-assign, list-item, return-value]
    assert list(merchants) == ["tea"]
    assert "2 aliases" in caplog.text


def test_a_source_that_raises_for_one_merchant_leaves_the_others(
    merchants: Directory, source: Source, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    before = merchants["tea"]
    source.change("coffee")
    clock.now += 1

    def get(alias: str) -> Mapping[str, Any]:
        if alias == "wine":
            raise ConfigurationError("wine is sealed")
        raise RuntimeError(KEY)

    source.get = get  # type: ignore[method-assign]
    # What is known is served; what is not is out of order, and asked for again.
    assert merchants["tea"] is before
    with pytest.raises(ConfigurationError, match="raised RuntimeError"):
        merchants["coffee"]
    problem = merchants.problem("coffee")
    assert problem is not None
    assert problem.code == "E031"
    source.change("wine")
    clock.now += 1
    with pytest.raises(ConfigurationError, match="wine is sealed"):
        merchants["wine"]
    assert KEY not in caplog.text


def test_while_its_version_fails_what_is_known_is_served_for_an_hour(
    merchants: Directory, source: Source, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    before = merchants["tea"]
    source.change("tea", API_KEY=OTHER_KEY)
    source.version = fails  # type: ignore[method-assign]
    clock.now += 1
    assert merchants["tea"] is before
    clock.now += 3500
    assert merchants["tea"] is before
    assert len([each for each in caplog.records if each.levelno == logging.ERROR]) == 1
    clock.now += 200
    with pytest.raises(ConfigurationError, match="has not answered for more than 60 minutes"):
        merchants["tea"]
    del source.version  # type: ignore[method-assign]
    clock.now += 1
    assert merchants["tea"].api_key == Secret(OTHER_KEY)


def fails(*_: object) -> Any:
    raise RuntimeError(f"the vault does not open with {KEY}")


@pytest.mark.parametrize("version", [fails, list])
def test_before_a_first_version_nobody_is_unknown(
    version: Callable[[], Any], merchants: Directory, source: Source, clock: Clock
) -> None:
    source.version = version  # type: ignore[method-assign]
    for alias in ("tea", "stranger"):
        with pytest.raises(ConfigurationError, match="not answered yet"):
            merchants[alias]
    assert source.asked == []
    del source.version  # type: ignore[method-assign]
    clock.now += 1
    assert merchants["tea"].alias == "tea"


def test_a_source_that_names_nobody_is_wrong_settings_and_names_are_kept(
    merchants: Directory, source: Source, clock: Clock
) -> None:
    source.aliases = fails  # type: ignore[method-assign]
    with pytest.raises(ConfigurationError, match="RuntimeError"):
        merchants["tea"]
    del source.aliases  # type: ignore[method-assign]
    clock.now += 1
    assert list(merchants) == ["tea"]
    source.aliases = fails  # type: ignore[method-assign]
    source.number = 2
    clock.now += 1
    assert list(merchants) == ["tea"]


def test_a_merchant_that_fails_is_served_for_an_hour_and_asked_for_once_a_second(
    merchants: Directory, source: Source, clock: Clock
) -> None:
    before = merchants["tea"]
    clock.now += 7200
    assert merchants["tea"] is before
    source.change("tea", API_KEY=OTHER_KEY)
    asked: list[str] = []

    def get(alias: str) -> Mapping[str, Any]:
        asked.append(alias)
        raise RuntimeError

    source.get = get  # type: ignore[method-assign]
    clock.now += 1
    for _ in range(20):
        assert merchants["tea"] is before
        assert merchants.problem("tea") is None
        clock.now += 0.25
    assert 5 <= len(asked) <= 6
    clock.now += 3590
    assert merchants["tea"] is before
    clock.now += 10
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="not answered for more than 60 minutes"):
            merchants["tea"]
    problem = merchants.problem("tea")
    assert problem is not None
    assert (problem.code, problem.merchant) == ("E031", "tea")
    del source.get  # type: ignore[method-assign]
    clock.now += 1
    assert merchants["tea"].api_key == Secret(OTHER_KEY)


def test_what_has_not_been_current_for_an_hour_is_not_served_when_its_source_fails(
    merchants: Directory, source: Source, clock: Clock
) -> None:
    source.change("coffee")
    before = merchants["tea"]
    source.change("tea", API_KEY=OTHER_KEY)
    for _ in range(3):
        # Nobody needs tea meanwhile.
        clock.now += 1800
        assert merchants["coffee"].alias == "coffee"
        source.change("coffee")
    source.get = fails  # type: ignore[method-assign]
    clock.now += 1
    with pytest.raises(ConfigurationError, match="more than 60 minutes"):
        merchants["tea"]
    assert merchants["coffee"].alias == "coffee"
    source.version = fails  # type: ignore[method-assign]
    clock.now += 1
    with pytest.raises(ConfigurationError, match="more than 60 minutes"):
        merchants["tea"]
    assert merchants["coffee"].alias == "coffee"
    del source.get, source.version  # type: ignore[method-assign]
    source.change("tea", API_KEY=KEY)
    clock.now += 1
    assert merchants["tea"] is before


def test_one_that_was_never_read_is_asked_for_once_a_second_while_its_source_fails(
    merchants: Directory, source: Source, clock: Clock
) -> None:
    asked: list[str] = []

    def get(alias: str) -> Mapping[str, Any]:
        asked.append(alias)
        raise RuntimeError(KEY)

    source.get = get  # type: ignore[method-assign]
    for number in range(20):
        with pytest.raises(ConfigurationError, match="cannot be had: its source raised Runtime"):
            merchants["tea"]
        source.number = number
        clock.now += 0.5
    assert len(asked) == 10


def test_names_are_kept_for_an_hour_and_asked_for_once_a_second_by_strangers(
    merchants: Directory, source: Source, clock: Clock
) -> None:
    asked: list[str] = []

    def aliases() -> Iterable[str]:
        asked.append("aliases")
        raise RuntimeError

    source.aliases = aliases  # type: ignore[method-assign]
    for number in range(100):
        with pytest.raises(ConfigurationError, match="does not name its merchants"):
            merchants[f"stranger-{number}"]
    assert len(asked) == 1
    del source.aliases  # type: ignore[method-assign]
    clock.now += 1
    assert list(merchants) == ["tea"]
    source.aliases = aliases  # type: ignore[method-assign]
    source.change("coffee")
    clock.now += 1
    for number in range(100):
        with pytest.raises(KeyError):
            merchants[f"stranger-{number}"]
    assert len(asked) == 2
    clock.now += 3601
    # Nobody is unknown any more.
    for alias in ("stranger", "coffee"):
        with pytest.raises(ConfigurationError, match="not answered for more than 60 minutes"):
            merchants[alias]
    with pytest.raises(ConfigurationError, match="not answered for more than 60 minutes"):
        list(merchants)


def test_a_stranger_is_not_unknown_once_the_version_has_failed_for_an_hour(
    merchants: Directory, source: Source, clock: Clock
) -> None:
    assert "stranger" not in merchants
    source.version = fails  # type: ignore[method-assign]
    clock.now += 3000
    assert "stranger" not in merchants
    clock.now += 601
    with pytest.raises(ConfigurationError, match="more than 60 minutes"):
        merchants["stranger"]


@pytest.mark.parametrize("is_raised", [True, False])
def test_an_error_in_passing_is_over_ten_seconds_later(
    is_raised: bool, merchants: Directory, source: Source, clock: Clock, tmp_path: Path
) -> None:
    pem = tmp_path / "key.pem"
    pem.write_text(keys.MERCHANT_KEY)
    source.entries["tea"] |= {"CLIENT_KEY": str(pem)}
    before = merchants["tea"]
    source.change("coffee")
    clock.now += 1

    def get(alias: str) -> Mapping[str, Any]:
        source.asked.append("get again")
        if is_raised:
            raise ConfigurationError("tea is being sealed: CLIENT_KEY")
        return dict(source.entries[alias])

    source.get = get  # type: ignore[method-assign]
    # The file is being replaced.
    pem.unlink()
    for _ in range(18):
        with pytest.raises(ConfigurationError, match="CLIENT_KEY"):
            merchants["tea"]
        clock.now += 0.5
    assert source.asked.count("get again") == 1
    assert before in merchants.loaded()
    pem.write_text(keys.MERCHANT_KEY)
    is_raised = False
    clock.now += 1
    assert merchants["tea"] is before
    assert source.asked.count("get again") == 2


def test_a_merchant_out_of_order_stays_so_while_its_source_fails(
    merchants: Directory, source: Source, clock: Clock
) -> None:
    source.entries["tea"] = {**ENTRY, "API_KEY": "short"}
    for get in (source.get, fails):
        source.get = get  # type: ignore[method-assign]
        with pytest.raises(ConfigurationError, match="API_KEY"):
            merchants["tea"]
        clock.now += 10


def test_a_version_that_hangs_holds_up_one_question_and_nobody_else(
    unbounded: Unbounded, clock: Clock
) -> None:
    merchants = Directory(unbounded, clock=clock)
    before = merchants["tea"]
    unbounded.hangs_at = {"version"}
    unbounded.change("tea", API_KEY=OTHER_KEY)
    clock.now += 1
    assert merchants["tea"] is before
    clock.now += 9
    assert merchants["tea"] is before
    assert unbounded.asked.count("version hangs") == 1
    # Ten seconds later it hangs on the same question still, and is not asked once more.
    clock.now += 2
    assert merchants["tea"] is before
    assert unbounded.asked.count("version hangs") == 1
    assert unbounded.hanging == 1
    unbounded.answer_again()
    clock.now += 10
    assert merchants["tea"].api_key == Secret(OTHER_KEY)


def at_once(questions: Iterable[Callable[[], Any]]) -> list[Any]:
    """Ask all at the same time, and return what each returned or raised."""
    found: list[Any] = []

    def run(question: Callable[[], Any]) -> None:
        try:
            found.append(question())
        except ConfigurationError as error:
            found.append(error)

    threads = [threading.Thread(target=run, args=(each,)) for each in questions]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    return found


def test_a_merchant_that_hangs_is_served_as_known_and_takes_one_thread(
    unbounded: Unbounded, clock: Clock
) -> None:
    merchants = Directory(unbounded, clock=clock)
    before = merchants["tea"]
    unbounded.change("coffee")
    clock.now += 1
    unbounded.hangs_at = {"get tea"}
    assert at_once([lambda: merchants["tea"]] * 20) == [before] * 20
    for _ in range(8):
        assert merchants["tea"] is before
        clock.now += 5
    assert unbounded.asked.count("get tea hangs") == 1
    assert unbounded.hanging == 1
    # One that hangs is one: all others are answered.
    assert merchants["coffee"].alias == "coffee"
    unbounded.answer_again()
    unbounded.change("tea", API_KEY=OTHER_KEY)
    clock.now += 10
    assert merchants["tea"].api_key == Secret(OTHER_KEY)


def test_a_merchant_that_hangs_and_is_not_known_is_left_alone_for_ten_seconds(
    unbounded: Unbounded, clock: Clock
) -> None:
    merchants = Directory(unbounded, clock=clock)
    assert "tea" in merchants
    unbounded.hangs_at = {"get"}
    for _ in range(9):
        with pytest.raises(ConfigurationError, match="did not answer in time"):
            merchants["tea"]
        clock.now += 1
    unbounded.answer_again()
    with pytest.raises(ConfigurationError, match="did not answer in time"):
        merchants["tea"]
    assert unbounded.asked.count("get tea hangs") == 1
    clock.now += 1
    assert merchants["tea"].alias == "tea"


def test_the_threads_that_hang_are_bounded_however_many_ask(
    unbounded: Unbounded, clock: Clock
) -> None:
    for number in range(20):
        unbounded.change(f"shop-{number}")
    merchants = Directory(unbounded, clock=clock)
    assert "tea" in merchants
    unbounded.hangs_at = {"get"}
    shops = [f"shop-{number}" for number in range(20)]
    found = at_once([lambda shop=shop: merchants[shop] for shop in shops])
    assert {type(each) for each in found} == {ConfigurationError}
    assert unbounded.hanging == 3
    with pytest.raises(ConfigurationError, match="hangs on other questions"):
        merchants["tea"]
    # Whether there is a change is asked all the same, and what is known is served.
    unbounded.hangs_at = {"version"}
    clock.now += 1
    assert "tea" in merchants
    assert unbounded.hanging == 4
    unbounded.answer_again()
    # That one was not at fault.
    clock.now += 1
    assert merchants["tea"].alias == "tea"


def test_aliases_that_hang_are_left_alone_for_ten_seconds(
    unbounded: Unbounded, clock: Clock
) -> None:
    merchants = Directory(unbounded, clock=clock)
    unbounded.hangs_at = {"aliases"}
    for _ in range(9):
        for alias in ("tea", "stranger"):
            with pytest.raises(ConfigurationError, match="does not name its merchants"):
                merchants[alias]
        clock.now += 1
    assert unbounded.asked.count("aliases hangs") == 1
    unbounded.answer_again()
    clock.now += 1
    assert merchants["tea"].alias == "tea"


def test_many_that_ask_at_the_same_time_are_answered_in_turn(
    unbounded: Unbounded, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE_S", 5)
    shops = [f"shop-{number}" for number in range(12)]
    for shop in shops:
        unbounded.change(shop)
    merchants = Directory(unbounded, clock=clock)
    together: list[int] = []

    def get(alias: str) -> Mapping[str, Any]:
        with unbounded.counting:
            unbounded.hanging += 1
            together.append(unbounded.hanging)
        time.sleep(0.01)
        with unbounded.counting:
            unbounded.hanging -= 1
        return ENTRY

    unbounded.get = get  # type: ignore[method-assign]
    found = at_once([lambda shop=shop: merchants[shop].alias for shop in [*shops, *shops]])
    assert sorted(found) == sorted([*shops, *shops])
    assert max(together) == 3
    assert len(together) >= 12


def test_an_answer_to_a_question_of_before_a_change_is_read_once_more(
    unbounded: Unbounded, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE_S", 5)
    merchants = Directory(unbounded, clock=clock)
    assert "tea" in merchants
    is_asked, may_answer = threading.Event(), threading.Event()

    def get(alias: str) -> Mapping[str, Any]:
        found = dict(unbounded.entries[alias])
        is_asked.set()
        may_answer.wait(5)
        return found

    unbounded.get = get  # type: ignore[method-assign]
    first = threading.Thread(target=lambda: merchants["tea"])
    first.start()
    assert is_asked.wait(5)
    unbounded.change("tea", API_KEY=OTHER_KEY)
    clock.now += 1
    assert list(merchants) == ["tea"]
    second = threading.Thread(target=lambda: merchants["tea"])
    second.start()
    may_answer.set()
    first.join(5)
    second.join(5)
    assert merchants["tea"].api_key == Secret(OTHER_KEY)


def test_a_process_that_may_start_no_thread_has_a_source_that_fails(
    unbounded: Unbounded, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchants = Directory(unbounded, clock=clock)
    assert "tea" in merchants
    with monkeypatch.context() as full:
        full.setattr(asking.threading.Thread, "start", fails)
        for _ in range(5):
            with pytest.raises(ConfigurationError, match="raised RuntimeError"):
                merchants["tea"]
            clock.now += 1
    clock.now += 1
    assert merchants["tea"].alias == "tea"


def test_a_timeout_that_a_source_raises_is_its_own(unbounded: Unbounded, clock: Clock) -> None:
    merchants = Directory(unbounded, clock=clock)
    assert "tea" in merchants

    def get(_: str) -> Mapping[str, Any]:
        raise TimeoutError

    unbounded.get = get  # type: ignore[method-assign]
    with pytest.raises(ConfigurationError, match="raised TimeoutError"):
        merchants["tea"]


def test_no_thread_waits_while_another_asks_for_the_version(
    unbounded: Unbounded, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchants = Directory(unbounded, clock=clock)
    before = merchants["tea"]
    monkeypatch.setattr(asking, "PATIENCE_S", 5)
    unbounded.hangs_at = {"version"}
    clock.now += 1
    other = threading.Thread(target=merchants.__getitem__, args=("tea",))
    other.start()
    try:
        while not merchants._versions._asking.locked():
            pass
        assert merchants["tea"] is before
    finally:
        unbounded.let_go.set()
        other.join(5)


def test_threads_that_ask_at_first_are_answered_all(source: Source, clock: Clock) -> None:
    merchants = Directory(source, clock=clock)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(merchants["tea"].alias)) for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(5)
    assert found == ["tea"] * 8
    assert source.asked.count("version") == 1


def test_two_directories_are_never_equal(source: Source) -> None:
    one, other = Directory(source), Directory(source)
    assert one == one  # noqa: PLR0124 - equal to itself alone
    assert one != other
    assert len({one, other}) == 2


@pytest.mark.django_db
def test_a_source_in_the_settings_is_good_and_asked_for_nothing_by_check(settings: Any) -> None:
    settings.WXPAY = settings_with(HERE)
    found = [each for each in run_checks() if str(each.id).startswith("django_wxpay.")]
    assert found == []
    source = conf.directory()
    assert source is not None
    assert isinstance(source.source, Source)
    assert source.source.asked == []


def test_every_reader_of_the_settings_takes_a_source(settings: Any) -> None:
    settings.WXPAY = settings_with(HERE)
    assert conf.aliases() == ("tea",)
    assert [each.alias for each in conf.accounts()] == ["tea"]
    assert conf.merchant("tea").mch_id == "1900000109"
    assert conf.find_merchant("coffee") is None
    assert Secret(KEY) in conf.known_keys()
    with pytest.raises(UnknownMerchant):
        conf.merchant("coffee")
    with pytest.raises(UnknownMerchant):
        conf.merchant(["tea"])  # type: ignore[arg-type]


def test_merchants_of_the_settings_need_no_source(settings: Any) -> None:
    settings.WXPAY = settings_with({"tea": ENTRY})
    assert conf.directory() is None
    assert [each.alias for each in conf.accounts()] == ["tea"]
    assert conf.known_keys() == [Secret(KEY)]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (KEY, "neither a dict nor"),
        ("nowhere.Nothing", "nowhere.Nothing, which cannot be imported"),
        (f"{__name__}.no_class", "has no get"),
        (f"{__name__}.ENTRY", "has no aliases"),
        (f"{__name__}.INSTANCE", "is no class"),
    ],
)
def test_a_path_that_names_no_source_is_found_by_check(
    path: str, words: str, settings: Any
) -> None:
    settings.WXPAY = settings_with(path)
    (found,) = [each for each in conf.problems() if each.code == "E031"]
    assert words in found.message
    assert KEY not in found.message
    with pytest.raises(ConfigurationError):
        conf.current()
    assert conf.aliases() is None
    assert conf.known_keys() == []


INSTANCE = Source()


def test_a_source_that_cannot_be_made_is_wrong_settings(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.WXPAY = settings_with(f"{__name__}.Unmakeable")
    with pytest.raises(ConfigurationError, match="RuntimeError") as raised:
        conf.current()
    assert KEY not in caplog.text + str(raised.value)


GOOD_SEALING_KEY = "pk8sAo-uAv8cSbgnf1nY5NPbgAPyYsGKmCVDeUbhn1M="


@pytest.mark.parametrize(
    "wrong",
    [GOOD_SEALING_KEY, [5], ["short"], ["not base64!"], [None], [GOOD_SEALING_KEY, ""], 7],
)
def test_sealing_keys_that_are_none_are_found(wrong: Any, settings: Any) -> None:
    settings.WXPAY = settings_with({"tea": ENTRY}, SEALING_KEYS=wrong)
    (found,) = conf.problems()
    assert found.code == "E030"
    assert GOOD_SEALING_KEY not in found.message


def test_merchants_that_are_sealed_need_a_sealing_key(settings: Any) -> None:
    path = "django_wxpay.merchants.DatabaseMerchants"
    settings.WXPAY = settings_with(path)
    (found,) = conf.problems()
    assert (found.code, "SEALING_KEYS" in found.message) == ("W016", True)
    settings.WXPAY = settings_with(path, SEALING_KEYS=[GOOD_SEALING_KEY])
    assert conf.problems() == ()
    settings.WXPAY = settings_with(f"{__name__}.Source")
    assert "W016" not in [each.code for each in conf.problems()]


def test_sealing_keys_are_read_in_their_order(settings: Any, tmp_path: Path) -> None:
    other = GOOD_SEALING_KEY.replace("pk8s", "qk8s")
    for given in ([GOOD_SEALING_KEY, other], (Secret(GOOD_SEALING_KEY), other)):
        settings.WXPAY = settings_with({"tea": ENTRY}, SEALING_KEYS=given)
        assert conf.sealing_keys() == (Secret(GOOD_SEALING_KEY), Secret(other))
        assert GOOD_SEALING_KEY not in repr(conf.current())
