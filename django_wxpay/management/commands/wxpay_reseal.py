"""``manage.py wxpay_reseal``: merchants' keys in the database, sealed under the first key."""

from __future__ import annotations

import sys
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from django_wxpay import conf
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.services.accounts.sealing import reseal

_NAMED: Final = 20


class Command(BaseCommand):
    help = (
        "Seal the keys of merchants in the database under the first of SEALING_KEYS, so that the "
        "others can be taken out. Exits with 1 if some are opened by none."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        """Seal them anew, print the count, and exit with 1 if a merchant's keys do not open."""
        try:
            if not conf.sealing_keys():
                raise CommandError('WXPAY["SEALING_KEYS"] holds no key')
            run = reseal()
        except ConfigurationError as error:
            raise CommandError(f"{error}. Run manage.py check for all of it.") from error
        self.stdout.write(f"merchants sealed anew: {run.sealed}, not opened: {len(run.lost)}")
        for alias in run.lost[:_NAMED]:
            self.stdout.write(self.style.ERROR(f"  {alias}: no key in SEALING_KEYS opens its keys"))
        if run.lost:
            sys.exit(1)
