"""The control plane of the simulator."""
