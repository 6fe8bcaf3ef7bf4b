"""Pairs of statements whose answer is known, and the judge that is grown from them."""
