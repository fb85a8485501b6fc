"""Pages of the merchants that are kept in the database."""
