"""What a detector says: maps, thresholds, findings, run record."""
