"""The Celery app of a shop in processes of their own: its broker and queue are in the environment.

With ``WXPAY_JOURNEY_HANGS`` a receiver writes that it began, and never ends.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from celery import Celery
from django.dispatch import receiver

from django_wxpay.signals import order_paid
from django_wxpay.tasks import beat_schedule

QUEUE = os.environ["WXPAY_JOURNEY_QUEUE"]

app = Celery("shop", broker=os.environ["WXPAY_JOURNEY_BROKER"])
app.conf.update(
    # Where shops write it: before Django has its apps.
    beat_schedule=beat_schedule(queue=QUEUE),
    result_backend=os.environ.get("WXPAY_JOURNEY_RESULTS"),
    task_default_queue=QUEUE,
    # The broker is everybody's, so nothing is left there but one queue of this name.
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)
app.autodiscover_tasks()


@app.on_after_finalize.connect
def hurry(sender: Celery, **_: Any) -> None:
    """Let beat tick ten times as often, for a test that waits for it."""
    entries = sender.conf.beat_schedule.items()
    sender.conf.beat_schedule = {
        name: {**entry, "schedule": entry["schedule"] / 10} for name, entry in entries
    }


if marker := os.environ.get("WXPAY_JOURNEY_HANGS"):

    @receiver(order_paid)
    def hang(**_: Any) -> None:
        """Begin, and never end."""
        Path(marker).write_text("began", encoding="utf-8")
        threading.Event().wait()
