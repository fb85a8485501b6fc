"""The simulated v2 gateway."""
