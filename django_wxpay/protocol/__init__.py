"""What WeChat Pay says and how: pure functions and types, with no Django, no I/O and no clock."""
