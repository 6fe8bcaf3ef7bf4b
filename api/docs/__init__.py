"""The API's description: the OpenAPI document, and a page made of it."""
