"""The SIP edge: the control process, its UA workers, routing, and call records."""
