"""A user's own sample decides the routing table: outcomes in, statistics that hold, a row with its evidence out."""
