"""Who may call and how much: keys, tenants, limits. Keys are kept beside the ledger, in its database."""
