"""Pages of the simulator for a person."""
