"""The REST door: a shop's other programs, over HTTP and with a permission."""
