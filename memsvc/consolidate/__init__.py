"""Units to decisions: what says the same, what takes whose place, what belongs together. Pure: no store, no clock.

Every decision about a pair depends on the two alone, and what follows from the pairs is computed from all of them. So
the order in which units arrive changes nothing, and a rebuild gives what the increments gave.
"""
