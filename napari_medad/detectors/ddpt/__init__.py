"""DDPT: dual prompt tuning of CLIP; slice labels in, coarse masks out."""
