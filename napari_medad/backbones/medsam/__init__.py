"""MedSAM and MedSAM2: from a box or points to a mask."""
