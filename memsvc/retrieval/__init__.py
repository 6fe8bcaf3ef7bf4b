"""Question to ranked memories to compact context. Each stage takes the value of the one before."""
