"""Template tags of ``{% load wxpay %}``."""
