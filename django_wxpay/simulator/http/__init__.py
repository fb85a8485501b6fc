"""HTTP of the simulator: messages, routing, WSGI and server."""
