"""WeChat Pay as tests script it: one transport, and the messages that it signs.

A test whose WeChat Pay behaves as the real one does uses the simulator. What is here gives
the answers that the simulator cannot: raw bytes, resets, time-outs, one field out of place.
"""
