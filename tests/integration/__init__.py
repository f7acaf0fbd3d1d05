"""Calls from an outside phone to the whole service: what it must show."""
