"""How it is deployed, and what is released."""
