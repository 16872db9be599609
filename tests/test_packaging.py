"""The sdist and the wheel carry everything, and the wheel works away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "napari_medad"
DATA = {".yaml", ".yml", ".safetensors", ".json", ".md", ".npz"}

ELSEWHERE = """
import napari_medad
from napari_medad.weights.installed import installed_weights

assert napari_medad.__file__.startswith(HOME), napari_medad.__file__
from npe2 import PluginManifest
manifest = PluginManifest.from_file(HOME + "/napari_medad/napari.yaml")
assert manifest.name == "napari-medad", manifest.name
for command in manifest.contributions.commands:
    module, _, attribute = command.python_name.partition(":")
    assert module.startswith("napari_medad."), module
moe = napari_medad.load_detector("moe", weights="starter", device="cpu")
assert moe.weights.state == "starter", moe.weights
assert moe.weights.path.startswith(HOME), moe.weights.path
print("works")
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the sdist, and the wheel that was built from it."""
    out = tmp_path_factory.mktemp("dist")
    made = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return out


def package_files() -> set[str]:
    """Code and data of the package, relative to the root."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.suffix in DATA | {".py"}
    }


def test_the_wheel_carries_manifest_yaml_and_starter_weights(built):
    (wheel,) = built.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert package_files() - inside == set()
    assert "napari_medad/napari.yaml" in inside
    assert "napari_medad/weights/starter/moe/weights.safetensors" in inside


def test_the_sdist_carries_what_is_needed_to_build_and_test(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    wanted = {"README.md", "LICENSE", "CITATION.cff", "Makefile", "tests/conftest.py", ".ci/run"}
    assert (package_files() | wanted) - inside == set()


def test_the_wheel_works_elsewhere(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    home = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", home, wheel],
        check=True,
        env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore", "PIP_NO_INDEX": "1"},
    )
    script = f"HOME = {str(home)!r}\n{ELSEWHERE}"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(home)},
        capture_output=True,
        text=True,
    )
    assert ran.stdout.strip() == "works", ran.stderr
