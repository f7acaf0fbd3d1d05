"""The benchmark: scripted calls over real SIP and RTP, measured by the outside phone."""
