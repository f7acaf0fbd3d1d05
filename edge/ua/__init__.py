"""The UA worker: one process around one pjsua2 endpoint, driven by the control process.

Control starts ``python -m edge.ua --fd N --settings JSON`` with one end of a socket pair and talks
to it in the messages of :mod:`edge.ua.messages`, framed as by :mod:`media.wire`.
"""

from __future__ import annotations
