"""The reader's hand on a detection: an editable mask, who said each voxel, and a way back."""
