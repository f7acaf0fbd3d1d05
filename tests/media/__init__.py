"""Tests of media, and the RTP phone that other tests may use."""
