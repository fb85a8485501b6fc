"""HTTP to WeChat Pay: one attempt, its messages and its failures."""
