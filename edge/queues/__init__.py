"""Queues of people at desk phones: who waits, who is free, who is rung next."""
