"""The REST door: what a shop's other programs may ask, over HTTP and with a permission."""
