"""The chaos run: a shop of many processes that are killed, and a WeChat Pay that misbehaves.

``python -m tests.chaos`` runs it. It is a command and no test: it needs minutes, ports and a
database of its own.
"""
