"""Whose certificates are believed: a CA bundle, read once and shared by every connection.

Reading the bundle costs tens of milliseconds of processor time, more than the rest of a
call, so it must happen neither per call nor per connection.
"""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssl_ import create_urllib3_context

from django_wxpay.protocol.errors import ConfigurationError


def trusting(bundle: str | None = None) -> ssl.SSLContext:
    """Return the context that believes ``bundle``, a file or a folder of CA certificates.

    None means the bundle of ``requests``. What cannot be read is a ``ConfigurationError``.
    """
    return _trusting(bundle or DEFAULT_CA_BUNDLE_PATH)


@lru_cache(maxsize=8)
def _trusting(bundle: str) -> ssl.SSLContext:
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    try:
        if Path(bundle).is_dir():
            context.load_verify_locations(capath=bundle)
        else:
            context.load_verify_locations(cafile=bundle)
    except OSError:
        raise ConfigurationError(
            f"the CA bundle {bundle} (REQUESTS_CA_BUNDLE) cannot be read"
        ) from None
    return context
