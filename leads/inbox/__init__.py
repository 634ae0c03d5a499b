"""The list of leads as staff work through it: rows, search, pasted messages, the chat, restoring."""
