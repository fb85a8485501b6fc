"""The admin pages of bills and of the differences found in them."""
