"""Peak memory of a detection in a large CT, as a multiple of the volume.

Each figure is the growth of one fresh process's resident memory over what it holds before the
volume is made (interpreter, libraries, network).
"""

from __future__ import annotations

import argparse
import itertools
import resource
import subprocess
import sys

import numpy as np

SHAPE = (600, 512, 512)
ALLOWED = 4.0


def head_ct(shape: tuple[int, int, int]) -> np.ndarray:
    """A cylinder of tissue and bone in noisy air, Hounsfield units, int16 [z, y, x]."""
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape[1:])
    radius = np.hypot(y[:, None] / 0.8, x[None] / 0.65)
    plane = np.where(radius < 0.9, 40, np.where(radius < 1, 900, -1000)).astype(np.int16)
    rng = np.random.default_rng(0)
    out = np.empty(shape, np.int16)
    for z in range(shape[0]):
        out[z] = plane + rng.integers(-15, 16, shape[1:], np.int16)
    return out


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(shape: tuple[int, int, int], detector: str, findings: bool) -> float:
    """Ratio of one detection, in this process."""
    import napari_medad as medad
    from napari_medad.detectors.registry import card
    from napari_medad.volumes.study import Study
    from napari_medad.volumes.volume import Volume
    from napari_medad.weights.installed import installed_weights

    def study_of(array: np.ndarray) -> Study:
        volume = Volume(array, np.diag([-0.5, -0.5, 0.6, 1.0]), "ct")
        return Study.from_volumes("ct", {"ct": volume})

    random = card(detector).weights and not installed_weights(detector)
    loaded = medad.load_detector(detector, weights="untrained" if random else "auto")
    medad.detect(study_of(head_ct((8, *shape[1:]))), loaded).findings  # noqa: B018
    before = peak_bytes()
    array = head_ct(shape)
    detection = medad.detect(study_of(array), loaded)
    if findings:
        detection.findings  # noqa: B018
    return (peak_bytes() - before) / array.nbytes


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--detector", nargs="+", default=["hyperintensity", "moe"])
    options.add_argument("--shape", type=int, nargs=3, default=SHAPE, metavar=("Z", "Y", "X"))
    options.add_argument("--alone", choices=["maps", "findings"], help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.alone:
        print(measure(tuple(chosen.shape), *chosen.detector, chosen.alone == "findings"))
        return
    shape = [str(n) for n in chosen.shape]
    for detector, what in itertools.product(chosen.detector, ("maps", "findings")):
        command = [sys.executable, __file__, "--detector", detector, "--alone", what]
        ran = subprocess.run(
            [*command, "--shape", *shape], stdout=subprocess.PIPE, text=True, check=True
        )
        ratio = float(ran.stdout.splitlines()[-1])
        print(f"{detector}, {what}: {ratio:.2f} x the volume ({ALLOWED:g} x is allowed)")


if __name__ == "__main__":
    main()
