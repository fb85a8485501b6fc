"""What a posted object may name: the fields there are, and no others.

A misspelt name that was passed over in silence would look as if it had been heard.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers


class KnownFieldsSerializer(serializers.Serializer[Any]):
    """Names the unknown fields together with the wrong ones."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the fields given."""
        known = self.fields
        unknown: dict[str, Any] = {}
        if isinstance(data, Mapping):
            said = [_("There is no such field.")]
            unknown = {_writable(name): said for name in data if name not in known}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as exc:
            raise serializers.ValidationError({**unknown, **exc.detail}) from None  # type: ignore[dict-item]
        if unknown:
            raise serializers.ValidationError(unknown)
        return values


def _writable(name: str) -> str:
    """Return a stranger's name for a field in a form that any answer can hold."""
    return name[:64].encode(errors="replace").decode()
