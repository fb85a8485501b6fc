"""Merchants that are kept in the database: their keys sealed, opened, checked and saved."""
