"""Every language's client against the same cases (README.md)."""
