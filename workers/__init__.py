"""Celery around the job table: a message only says that there is work."""
