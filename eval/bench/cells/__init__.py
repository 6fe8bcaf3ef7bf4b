"""What several cells cost beside one, and what becomes of requests while one is away and while a namespace moves."""
