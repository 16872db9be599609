"""RASALoRE: region-aware spatial attention with location-based random embeddings."""
