"""Request and response schemas, shared by the API and the SDK. Imports nothing of the engine."""
