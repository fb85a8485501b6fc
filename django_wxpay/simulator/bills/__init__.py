"""Bills of the simulated gateway, printed from its own ledger."""
