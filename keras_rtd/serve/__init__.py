"""A small HTTP server for models of this package, and one page."""
