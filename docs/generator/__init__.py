"""The documentation site: its pages, gathered and generated, and their strict build."""
