"""Models that run here: the text encoder and the token counter. One of each per process, loaded on first use."""
