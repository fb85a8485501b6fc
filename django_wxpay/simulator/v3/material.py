"""Which key pairs the simulated gateway signs with, where they are not made up as it starts."""

from __future__ import annotations

from dataclasses import dataclass, field

from django_wxpay.simulator.v3.demo_keys import TEST_PLATFORM_PRIVATE_KEY, TEST_PUBLIC_KEY_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMaterial:
    """WeChat Pay's side of the keys, as PEM text; the defaults are the demonstration's.

    ``private_key`` belongs to the WeChat Pay public key that ``public_key_id`` names.
    ``certificate`` is the first platform certificate and ``certificate_key`` its private key;
    without them a pair is made.
    """

    public_key_id: str = TEST_PUBLIC_KEY_ID
    private_key: str = field(default=TEST_PLATFORM_PRIVATE_KEY, repr=False)
    certificate: str = ""
    certificate_key: str = field(default="", repr=False)
