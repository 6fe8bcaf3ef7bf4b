"""What is fitted or grown from sets: the number to abstain by, and the judge of pairs."""
