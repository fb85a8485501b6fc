"""A small shop that takes WeChat Pay payments."""
