"""CLIP encoders through open_clip, unmodified."""
