"""The list of leads that staff work through: rows, search, pasted messages, the chat, restoring a lead."""
