"""Trunks: who calls, what may be called, and how the lines to carriers are kept up."""
