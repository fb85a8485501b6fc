"""The faults of the simulator's own catalogue: where each can strike, and how long it takes here.

They are asked of the simulator, so a fault that is added there is tried without being named.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import requests

from django_wxpay.simulator import ControlError, SimulatorAdapter, create_app
from tests.journeys.stage import PACE, Stage

Row = Mapping[str, Any]


@cache
def _rows() -> list[Row]:
    with requests.Session() as session:
        session.mount("http://simulator", SimulatorAdapter(create_app()))
        rows: list[Row] = session.get("http://simulator/_simulator/faults").json()["catalogue"]
    return rows


def faults_at(operation: str) -> list[Row]:
    """Return what the simulator lets befall ``operation``."""
    app = create_app()

    def befalls(row: Row) -> bool:
        try:
            app.inject(row["fault"], operation=operation)
        except ControlError:
            return False
        app.clear_faults()
        return True

    return [row for row in _rows() if befalls(row)]


def strike(stage: Stage, fault: str, operation: str) -> None:
    """Script the fault once; what it takes is scaled down to the patience of this stage."""
    (row,) = (row for row in _rows() if row["fault"] == fault)
    seconds = row["seconds"] * (PACE if "answer" in row["strikes"] else 1)
    stage.wechat.inject(fault, operation=operation, seconds=seconds)
