"""Command lines, each a module with a `main(argv=None)`."""
