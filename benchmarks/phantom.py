"""How fast synthetic slices come: fast enough that training need not wait for them."""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from napari_medad.volumes.phantom import make_brain


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--brains", type=int, default=4)
    options.add_argument("--spacing", type=float, default=1.5, help="mm")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    make_brain(0, spacing=chosen.spacing)  # loads the template

    for name, lesions in (("healthy", ()), ("with lesions", ("tumour", "patches", "cavity"))):
        began, slices = time.process_time(), 0
        for seed in range(chosen.brains):
            brain = make_brain(seed, lesions=lesions, spacing=chosen.spacing)
            with_brain = np.count_nonzero(brain.study.volume().array.any(axis=(1, 2)))
            slices += with_brain * len(brain.study.volumes)
        spent = time.process_time() - began
        print(
            f"{name:>13}: {spent / chosen.brains:.2f} s a brain of four contrasts, "
            f"{slices / spent:.0f} slices a second on one core"
        )


if __name__ == "__main__":
    main()
