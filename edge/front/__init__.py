"""Kamailio before the UA workers: its configuration, its process, and what it is told.

With ``sip.front: kamailio`` Kamailio takes the SIP ports and gives each new call to the UA worker
with the most free slots. How it knows them, and why it is not its dispatcher module that counts, is
told in :mod:`edge.front.board`.
"""
