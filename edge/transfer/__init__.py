"""Warm transfer: from the AI to a person at a desk phone, and the truth about how it went."""
