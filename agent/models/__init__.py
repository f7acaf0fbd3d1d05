"""The models: what they are, where they come from, and which one is used."""
