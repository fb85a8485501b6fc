"""Sentences about what was given, as English text that remembers how it was made.

Whoever reads one as text, such as a log or a program, reads English. A page or an answer makes it
anew in the language of its reader (``models.sentences.translated``), from the form and the values.
"""

from __future__ import annotations

from typing import Self


class Sentence(str):
    """Text made of a ``form`` and its ``values``, some of which may be sentences themselves."""

    __slots__ = ("form", "values")

    form: str
    values: dict[str, object]

    def __new__(cls, form: str, values: dict[str, object]) -> Self:
        made = super().__new__(cls, form % values if values else form)
        made.form, made.values = form, values
        return made

    def __str__(self) -> Self:
        # So that the text of an error that was raised with a sentence is still one.
        return self

    def __reduce__(self) -> tuple[type[Sentence], tuple[str, dict[str, object]]]:
        return Sentence, (self.form, self.values)


def sentence(form: str, /, **values: object) -> Sentence:
    """Return a sentence. Imported as ``_``, it marks its form for translation."""
    return Sentence(form, values)
