"""Synthetic brains: healthy ones without end, and patients with lesions and their truth.

Made from the MNI152 (ICBM 2009a) T1, grey- and white-matter templates that nilearn ships;
no scan of any person goes into them.
"""

from napari_medad.volumes.phantom.brain import Phantom, make_brain, sample_study, write_sample

__all__ = ["Phantom", "make_brain", "sample_study", "write_sample"]
