"""Chats and memories of other programs, read as exchanges: JSON lines, ChatGPT's export, mem0's memories."""
