"""Keep call records: exactly one row per call, written ahead, and its turns."""
