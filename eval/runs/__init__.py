"""Runs over sets: in through the SDK, asked, measured; a journal to go on from."""
