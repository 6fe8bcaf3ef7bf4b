"""Exchange to memory units, by rule: pure, deterministic, without a model.

What is English-only (date grammar, cues, phatic words) fires on its own words only; other languages give units with
fewer fields, never with wrong ones.
"""
