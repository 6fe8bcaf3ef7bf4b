"""PostgreSQL: the only truth. Tables, tenant-scoped transactions, and one file of statements per thing stored."""
