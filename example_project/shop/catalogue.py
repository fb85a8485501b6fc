"""The catalogue: six teas, as data. Prices are in fen, the minor unit of CNY."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True, kw_only=True)
class Tea:
    slug: str
    hanzi: str
    name: Promise
    kind: Promise
    taste: Promise
    grams: int
    total_fee: int

    @property
    def price(self) -> str:
        return yuan(self.total_fee)


def yuan(total_fee: int) -> str:
    """Return an amount in fen as a price tag: ``¥18.00``."""
    whole, fen = divmod(total_fee, 100)
    return f"¥{whole:,}.{fen:02}"


TEAS: Final = (
    Tea(
        slug="longjing",
        hanzi="龙井",
        name=_("Dragon Well"),
        kind=_("Green tea, Hangzhou"),
        taste=_("Flat, pan-fired leaves that stand up in the glass. Chestnut and fresh grass."),
        grams=50,
        total_fee=6800,
    ),
    Tea(
        slug="tieguanyin",
        hanzi="铁观音",
        name=_("Iron Goddess"),
        kind=_("Oolong, Anxi"),
        taste=_("Tightly rolled and slow to open. Orchid first, then butter and stone."),
        grams=50,
        total_fee=5200,
    ),
    Tea(
        slug="jasmine",
        hanzi="茉莉龙珠",
        name=_("Jasmine Pearls"),
        kind=_("Scented green tea, Fuzhou"),
        taste=_("Hand-rolled pearls that slept seven nights among jasmine blossoms."),
        grams=40,
        total_fee=4500,
    ),
    Tea(
        slug="baimudan",
        hanzi="白牡丹",
        name=_("White Peony"),
        kind=_("White tea, Fuding"),
        taste=_("One bud and two leaves, only withered and dried. Hay, melon and honey."),
        grams=30,
        total_fee=3900,
    ),
    Tea(
        slug="keemun",
        hanzi="祁门红茶",
        name=_("Keemun"),
        kind=_("Black tea, Qimen"),
        taste=_("Wine-red in the cup. Cocoa, rose and a breath of pine smoke."),
        grams=50,
        total_fee=3600,
    ),
    Tea(
        slug="puer",
        hanzi="普洱",
        name=_("Ripe Pu'er"),
        kind=_("Dark tea, Yunnan"),
        taste=_("A small pressed cake with ten years of patience. Cedar, dates and rain."),
        grams=100,
        total_fee=8800,
    ),
)


def tea_called(slug: str) -> Tea | None:
    """Return the tea with this slug, if we have it."""
    return next((tea for tea in TEAS if tea.slug == slug), None)
