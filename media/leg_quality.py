"""Sum up what one leg was like: the figures of its two directions."""

from __future__ import annotations

from media.inbound import Inbound
from media.lateness import Lateness
from media.messages import StreamQuality
from media.outbound import Outbound
from media.quality import mos, rating
from media.rtcp import RtcpSession

PTIME_MS = 20


def leg_quality(
    inbound: Inbound,
    outbound: Outbound,
    rtcp: RtcpSession | None,
    lateness: Lateness,
    *,
    srtp_suite: str | None,
    recording: str | None,
) -> StreamQuality:
    """Return the figures so far.

    Args:
        inbound: what the far end has sent.
        outbound: what it was sent.
        rtcp: what it says of that; None before the first offer and answer.
        lateness: how late our packets left.
        srtp_suite: in use, None for plain RTP.
        recording: path of the recording.
    """
    receptions = inbound.receptions
    received = sum(each.received for each in receptions)
    expected = sum(each.expected for each in receptions)
    lost = sum(each.lost for each in receptions)
    jitter = inbound.jitter
    unheard = min(1.0, (lost + jitter.late) / expected) if expected else 0.0
    round_trip = rtcp.round_trip_ms if rtcp is not None else None
    delay_ms = (round_trip or 0.0) / 2 + jitter.delay.spread_ms + PTIME_MS
    return StreamQuality(
        packets_received=received,
        packets_sent=outbound.packets,
        packets_lost=lost,
        loss_ratio=round(lost / expected, 5) if expected else 0.0,
        packets_late=jitter.late,
        packets_duplicate=sum(each.duplicates for each in receptions) + inbound.replayed,
        packets_foreign=inbound.latch.foreign,
        packets_malformed=inbound.malformed + (rtcp.malformed if rtcp is not None else 0),
        packets_unauthentic=inbound.unauthentic,
        srtp_suite=srtp_suite,
        jitter_ms=round(receptions[-1].jitter_ms, 2) if receptions else 0.0,
        jitter_max_ms=round(max((each.jitter_max_ms for each in receptions), default=0.0), 2),
        concealed_ms=jitter.concealed_samples // 8,
        remote_loss_ratio=rtcp.remote_loss_ratio if rtcp is not None else 0.0,
        round_trip_ms=round_trip,
        mos=round(mos(rating(unheard, delay_ms)), 2) if received else None,
        send_lateness_p99_ms=lateness.percentile_ms(99),
        first_packet_ns=inbound.first_packet_ns,
        last_packet_ns=inbound.last_packet_ns,
        recording=recording,
    )
