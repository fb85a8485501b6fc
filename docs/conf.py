"""Sphinx's settings for the site; ``docs/generator`` gathers its pages and calls Sphinx."""

from __future__ import annotations

from typing import Any

import django_wxpay

project = "django-wxpay"
author = "The django-wxpay authors"
copyright = author  # noqa: A001 - Sphinx's word
release = version = django_wxpay.__version__

extensions = ["myst_parser"]
# A link to a heading is spelt as on GitHub.
myst_heading_anchors = 4
html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"django-wxpay {release}"
html_copy_source = html_show_sourcelink = False
# Nothing is loaded from another site, and nothing of the machine that builds is shown.
html_theme_options = {"source_repository": "", "navigation_with_keys": True}
html_static_path = ["generator/static"]
html_css_files = ["site.css"]
html_last_updated_fmt = None


def _in_its_language(
    _app: Any, pagename: str, _template: str, context: dict[str, Any], _tree: Any
) -> None:
    if pagename.endswith("zh-CN"):
        context["language"] = "zh-CN"


def setup(app: Any) -> None:
    app.connect("html-page-context", _in_its_language)
