"""Figures of finished runs as pages, tables and pictures."""
