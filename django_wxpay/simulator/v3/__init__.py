"""The JSON side of the simulated gateway: APIv3, global and mainland, direct and institutional."""
