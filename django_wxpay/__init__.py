"""Take WeChat Pay payments in Django, and be certain of them."""

__version__ = "0.1.0"
