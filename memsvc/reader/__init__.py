"""Answers from a causal language model on this machine, which reads no context twice.

prompt: what is read; cache: keys and values of what was read; decode: reading and writing tokens; fingerprint: what a
cache holds for; disk: caches that outlive the process; codec: their form there; evict: bounded caches; budgets:
what each layer may keep; reader: all of it for one model.
"""
