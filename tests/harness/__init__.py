"""What integration tests share: an outside phone, the service under test, SIPp, captures."""
