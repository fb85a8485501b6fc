"""What every path costs, beside its limit and its peers."""
