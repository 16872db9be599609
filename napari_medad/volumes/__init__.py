"""What a scan is: voxels, geometry, readers, foreground, synthetic brains."""
