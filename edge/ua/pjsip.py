"""Call the three pjsip functions that pjsua2 needs and does not offer.

They are exported by the extension module that pjsua2 has loaded already. SIP thread only.
"""

from __future__ import annotations

import ctypes
import functools
import sys

from media import LocalError


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(sys.modules["pjsua2.pjsua2"]._pjsua2.__file__)
    library.pjsip_rdata_get_dlg.argtypes = [ctypes.c_void_p]
    library.pjsip_rdata_get_dlg.restype = ctypes.c_void_p
    library.pjsip_dlg_respond.argtypes = [
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    return library


def slots() -> int:
    """Return how many calls the build allows at once (``PJSUA_MAX_CALLS``), after ``libInit``."""
    return int(_library().pjsua_call_get_max_count())


def answer_in_dialog(rdata: int, status: int) -> None:
    """Answer a request inside a dialog that pjsua2 leaves to the application.

    Args:
        rdata: address of the ``pjsip_rx_data``, valid in the callback that has it.
        status: final SIP status.

    Raises:
        LocalError: there is no dialog, or pjsip would not send.
    """
    dialog = _library().pjsip_rdata_get_dlg(rdata)
    if not dialog:
        raise LocalError("a request of a dialog without dialog")
    result = _library().pjsip_dlg_respond(dialog, rdata, status, None, None, None)
    if result != 0:
        raise LocalError(f"pjsip would not answer: {result}")
