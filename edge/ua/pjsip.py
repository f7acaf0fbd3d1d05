"""Call the few pjsip functions that pjsua2 needs and does not offer.

They are exported by the extension module that pjsua2 has loaded already. SIP thread only.
"""

from __future__ import annotations

import ctypes
import functools
import sys

from media import LocalError

CLOCK_HZ = 8_000
"""What ``medConfig.clockRate`` must be for :func:`tick_conference`."""
MOST_ACCOUNTS = 8
"""``PJSUA_MAX_ACC`` of the packaged build; one more aborts the process (measured)."""
_FRAME_BYTES = CLOCK_HZ * 20 // 1_000 * 2
_FRAME_TYPE_NONE = 0


class _Frame(ctypes.Structure):
    """``pjmedia_frame`` of pjmedia/frame.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buf", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("timestamp", ctypes.c_uint64),
        ("bit_info", ctypes.c_uint32),
    )


class _String(ctypes.Structure):
    """``pj_str_t`` of pj/types.h."""

    _fields_ = (("ptr", ctypes.c_char_p), ("slen", ctypes.c_ssize_t))


class _SessionExpires(ctypes.Structure):
    """``pjsip_sess_expires_hdr`` of pjsip-ua/sip_timer.h."""

    _fields_ = (
        ("prev", ctypes.c_void_p),
        ("next", ctypes.c_void_p),
        ("type", ctypes.c_int),
        ("name", _String),
        ("sname", _String),
        ("vptr", ctypes.c_void_p),
        ("sess_expires", ctypes.c_uint),
        ("refresher", _String),
    )


@functools.cache
def library() -> ctypes.CDLL:
    """Return the extension module that pjsua2 has loaded, its functions declared."""
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
    library.pjsip_endpt_get_capability.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    library.pjsip_endpt_get_capability.restype = ctypes.c_void_p
    library.pjsip_msg_find_hdr_by_name.argtypes = [ctypes.c_void_p] * 3
    library.pjsip_msg_find_hdr_by_name.restype = ctypes.c_void_p
    library.pjsua_acc_find_for_incoming.argtypes = [ctypes.c_void_p]
    library.pjmedia_port_get_frame.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Frame)]
    library.pjsua_get_pjsip_endpt.restype = ctypes.c_void_p
    library.pjsip_endpt_get_tpmgr.argtypes = [ctypes.c_void_p]
    library.pjsip_endpt_get_tpmgr.restype = ctypes.c_void_p
    library.pjsip_tpmgr_set_drop_data_cb.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.pjsip_tpmgr_send_raw.argtypes = [
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    library.pjsip_endpt_register_module.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.pjsip_endpt_create_pool.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_size_t,
    ]
    library.pjsip_endpt_create_pool.restype = ctypes.c_void_p
    library.pjsip_endpt_release_pool.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.pjsip_endpt_release_pool.restype = None
    library.pjsip_sess_expires_hdr_create.argtypes = [ctypes.c_void_p]
    library.pjsip_sess_expires_hdr_create.restype = ctypes.c_void_p
    library.pjsip_generic_string_hdr_create.argtypes = [ctypes.c_void_p] * 3
    library.pjsip_generic_string_hdr_create.restype = ctypes.c_void_p
    library.pjsip_endpt_respond_stateless.argtypes = [
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    return library


def hush() -> None:
    """Keep pjlib, which writes to standard output until ``libInit``, out of a log that is JSON."""
    library().pj_log_set_level(1)


def tick_conference(port: int) -> None:
    """Run one 20 ms step of pjsua2's idle conference bridge.

    Without a sound device nothing else does, and the bridge frees the port of an ended call only
    in such a step: after 254 calls the worker would refuse all others.

    Args:
        port: address of the bridge's ``pjmedia_port``, as ``setNoDev`` returned it.

    Raises:
        LocalError: the bridge would not run.
    """
    samples = ctypes.create_string_buffer(_FRAME_BYTES)
    address = ctypes.cast(samples, ctypes.c_void_p)
    frame = _Frame(_FRAME_TYPE_NONE, address, _FRAME_BYTES, 0, 0)
    result = library().pjmedia_port_get_frame(port, ctypes.byref(frame))
    if result != 0:
        raise LocalError(f"the conference bridge does not run: {result}")


def slots() -> int:
    """Return how many calls the build allows at once (``PJSUA_MAX_CALLS``), after ``libInit``."""
    return int(library().pjsua_call_get_max_count())


def accounts() -> int:
    """Return how many accounts there are."""
    return int(library().pjsua_acc_get_count())


def account_for(rdata: int) -> int:
    """Return the number of the account that a request outside of dialogs is for.

    Args:
        rdata: address of its ``pjsip_rx_data``.
    """
    return int(library().pjsua_acc_find_for_incoming(rdata))


def capability(header: int) -> int:
    """Return the address of the header that says what pjsip can do, as it goes into messages.

    Args:
        header: ``pjsip_hdr_e`` of pjsip/sip_msg.h.
    """
    return int(
        library().pjsip_endpt_get_capability(library().pjsua_get_pjsip_endpt(), header, None)
    )


def session_expires(message: int) -> int | None:
    """Return the seconds of a message's Session-Expires, None where it has none.

    Args:
        message: address of the ``pjsip_msg``.
    """
    header = _session_expires(message)
    return None if header is None else int(header.sess_expires)


def set_session_expires(message: int, seconds: int, refresher: bytes = b"") -> None:
    """Change the Session-Expires that pjsip goes by.

    Args:
        message: address of the ``pjsip_msg``.
        seconds: the interval.
        refresher: ``uac`` or ``uas``, a constant: pjsip keeps where it is; empty changes nothing.
    """
    header = _session_expires(message)
    if header is None:
        return
    header.sess_expires = seconds
    if refresher:
        header.refresher = _String(refresher, len(refresher))


def name_refresher(header: int, refresher: bytes) -> None:
    """Have a Session-Expires that names no refresher name one.

    Args:
        header: address of the ``pjsip_sess_expires_hdr``.
        refresher: as of :func:`set_session_expires`.
    """
    found = _SessionExpires.from_address(header)
    if not found.refresher.slen:
        found.refresher = _String(refresher, len(refresher))


def session_expires_functions() -> int:
    """Return the address of the ``pjsip_hdr_vptr`` that every Session-Expires has."""
    endpoint = library().pjsua_get_pjsip_endpt()
    pool = library().pjsip_endpt_create_pool(endpoint, b"cordboard", 500, 500)
    try:
        header = _SessionExpires.from_address(library().pjsip_sess_expires_hdr_create(pool))
        return int(header.vptr)
    finally:
        library().pjsip_endpt_release_pool(endpoint, pool)


def _session_expires(message: int) -> _SessionExpires | None:
    name = b"Session-Expires"
    found = library().pjsip_msg_find_hdr_by_name(
        message, ctypes.byref(_String(name, len(name))), None
    )
    return _SessionExpires.from_address(found) if found else None


def answer_in_dialog(rdata: int, status: int) -> None:
    """Answer a request inside a dialog that pjsua2 leaves to the application.

    Args:
        rdata: address of the ``pjsip_rx_data``, valid in the callback that has it.
        status: final SIP status.

    Raises:
        LocalError: there is no dialog, or pjsip would not send.
    """
    dialog = library().pjsip_rdata_get_dlg(rdata)
    if not dialog:
        raise LocalError("a request of a dialog without dialog")
    result = library().pjsip_dlg_respond(dialog, rdata, status, None, None, None)
    if result != 0:
        raise LocalError(f"pjsip would not answer: {result}")
