"""The conversation: whose turn it is, what was said, what to say; and its engines."""
