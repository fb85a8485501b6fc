"""The client of APIv3 and the verification of its answers."""
