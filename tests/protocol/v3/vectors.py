"""The 24 vectors of protocol-v3 appendix A, word for word, and the pieces tests take of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.protocol.v3 import keys

VECTORS: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("vectors.json").read_text(encoding="utf-8")
)
REQUESTS = [name for name in VECTORS if name.startswith("REQ")]
NOTICES = [name for name in VECTORS if name.startswith("NTF")]
# Signed over their body; RES-5 is signed over a digest and RES-6 is a probe.
SIGNED = ["RES-1", "RES-2", "RES-3", "RES-4", "RES-7", "RES-8", "CERT-1", *NOTICES]

KEYS = {
    keys.PLATFORM_SERIAL: keys.PLATFORM_CERTIFICATE,
    keys.PUBLIC_KEY_ID: keys.WECHATPAY_PUBLIC_KEY,
}


def body(name: str) -> bytes:
    return VECTORS[name]["body"].encode()


def headers(name: str) -> dict[str, str]:
    return dict(VECTORS[name]["headers"])


def resource(name: str) -> dict[str, str]:
    return dict(json.loads(VECTORS[name]["body"])["resource"])
