"""The table of pages: where each stands in the navigation. One page more is one row more."""

from __future__ import annotations

from typing import Final

# The part of the navigation, and its pages by their names on the site.
NAVIGATION: Final[dict[str, tuple[str, ...]]] = {
    "Start here": ("tutorial.md", "shop.md", "simulator.md", "clients.md"),
    "Take and return money": (
        "paying.md",
        "till.md",
        "refunds.md",
        "accounts.md",
        "merchants.md",
        "spa.md",
        "webhooks.md",
        "any-endpoint.md",
        "notifications.md",
        "closing-the-day.md",
    ),
    "Run it": (
        "going-live.md",
        "worker.md",
        "watching.md",
        "doctor.md",
        "troubleshooting.md",
        "latency.md",
        "key-rotation.md",
        "upgrading.md",
        "v2-to-v3.md",
        "projects.md",
        "scaling.md",
        "async.md",
    ),
    "Come from elsewhere": ("from-stripe.md", "from-wechatpy.md"),
    "Reference": (
        "interface.md",
        "reference/settings.md",
        "reference/services.md",
        "reference/models.md",
        "reference/signals.md",
        "reference/commands.md",
        "reference/rest.md",
        "reference/error-codes.md",
        "protocol/v2.md",
        "protocol/v3.md",
    ),
    "Understand it": ("one-door.md", "security.md", "architecture.md", "performance.md"),
    "中文": ("zh-CN.md", "tutorial.zh-CN.md", "going-live.zh-CN.md"),
    "The project": ("changelog.md", "contributing.md", "adding.md", "reporting.md"),
}

# In the navigation, in the place of the page's own title.
TITLES: Final[dict[str, str]] = {"zh-CN.md": "简介"}

# Pages of the repository's root, which GitHub shows there, by their names on the site.
FROM_THE_ROOT: Final[dict[str, str]] = {
    "README.md": "index.md",
    "README.zh-CN.md": "zh-CN.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
}
