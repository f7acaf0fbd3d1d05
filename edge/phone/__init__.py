"""The built-in test phone: one SIP leg of its own, its own exact RTP, and a stopwatch.

pjsua2 speaks SIP (``ua``), a thread of our own speaks RTP (``line``), and three cores without
sockets or clocks decide: ``hearing`` (when does the far end speak), ``script`` (what is said next)
and ``stopwatch`` (how long did the answer take). ``call`` puts them together.
"""
