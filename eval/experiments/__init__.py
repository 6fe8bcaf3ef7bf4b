"""Questions that were asked of a part once: whether another way of doing it would be better."""
