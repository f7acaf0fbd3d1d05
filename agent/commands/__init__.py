"""Subcommands of ``cordboard`` that belong to the agent."""
