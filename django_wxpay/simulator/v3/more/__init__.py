"""Other products of APIv3, as far as protocol-v3 section 13 knows them."""
