"""The fuzz harness of notify_url: hostile requests, and an oracle that knows who has paid.

``python -m tests.fuzz`` runs it for hours, ``test_fuzz.py`` for seconds.
"""
