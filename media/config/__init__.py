"""The configuration file: its dataclasses (model) and how it is read from YAML nodes (load)."""
