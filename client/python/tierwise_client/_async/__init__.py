"""The async client, and the source from which the sync one is generated."""
