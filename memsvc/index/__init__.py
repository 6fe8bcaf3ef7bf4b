"""Search structures in memory, one set per namespace, kept equal to PostgreSQL by following the change feed."""
