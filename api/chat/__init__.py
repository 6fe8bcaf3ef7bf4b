"""OpenAI's API with a memory: it adds what bears on the question, lets a model answer, and keeps both; and its encoder.

body: what clients send for a chat; response_body: for a response, and what they are told. memory: what is added and
what is kept. answer: the model, behind an endpoint or on this machine. grounded: answers from the memory alone in its
place. responses: a response as a chat. embeddings: vectors of texts. routes: the other paths.
"""
