"""The SIP scenario matrix: SIPp against real processes, one row a behaviour and its RFC."""
