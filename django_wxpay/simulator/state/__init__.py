"""State of the simulator: accounts, trades, refunds and the clock."""
