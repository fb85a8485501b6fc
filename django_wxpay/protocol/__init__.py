"""WeChat Pay's two protocols as pure functions and types: no Django, no I/O, no clock."""
