"""An OpenAI-compatible chat that remembers: it adds what bears on the question, lets a model answer, and keeps both.

body: what clients send. memory: what is added and what is kept. answer: the model, behind an endpoint or on this
machine. grounded: answers from the memory alone in its place. routes: the paths.
"""
