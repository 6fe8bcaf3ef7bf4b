"""One verb a file. A service reads, hands values through the pure rooms, and writes in one transaction."""
