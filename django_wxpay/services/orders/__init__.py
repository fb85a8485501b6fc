"""Orders: creating, placing, checkout, querying and closing."""
