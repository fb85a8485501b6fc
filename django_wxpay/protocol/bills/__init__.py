"""Bills of a day: what WeChat Pay's files say, read by the names of their columns."""
