"""Accessibility of a page that the browser shows: what axe-core calls serious or critical."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from tests.browser import Browser

GRAVE: Final = ("serious", "critical")
_RUN: Final = """
axe.run({exclude: %s}, {resultTypes: ["violations"]}).then(({violations, passes}) => [
    passes.length,
    violations.filter(({impact}) => %s.includes(impact)).flatMap(({id, nodes}) => nodes.map(
        ({target, any}) => `${id}: ${target.join(" ")}: ${any.map(({message}) => message)}`
    )),
])
"""
# A page on which so few rules apply was not looked at.
_FEWEST_RULES: Final = 8


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def barriers(browser: Browser, *but: str) -> list[str]:
    """Return the grave faults of the page: the rule, the element and what is wrong with it.

    ``but`` selects parts of the page that are not ours.
    """
    # Not through a script element, which the page's policy would refuse.
    browser.run(f"(() => {{ {_axe()} }})()")
    passed, found = browser.run(_RUN % (list(but), list(GRAVE)))
    assert passed >= _FEWEST_RULES
    return list(found)
