"""Evaluation: published conversations in, figures with baselines out. Talks to the service through the SDK only."""
