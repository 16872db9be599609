"""CLIP encoders on open_clip's unmodified blocks: tokens of any block, V-V attention, text."""
