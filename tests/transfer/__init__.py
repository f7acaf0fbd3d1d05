"""Warm transfer over real SIP and RTP."""
