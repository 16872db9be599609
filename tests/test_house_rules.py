"""What keeps the house tidy: sizes, names, layers, and documentation of every method."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_medad.detectors.registry import cards

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "napari_medad"
LONGEST_FILE = 400
LONGEST_BODY = 60
DOCSTRING_SHARE = (0.12, 0.35)
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "tools"}
TOOLKITS = {"napari", "qtpy", "superqt", "pyqtgraph", "magicgui", "PyQt6", "PySide6"}
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|root|home/\w+|Users/\w+|tmp)/")

CODE = sorted(
    path
    for folder in ("napari_medad", "tests", "examples", "benchmarks", "docs")
    for path in (ROOT / folder).rglob("*.py")
)
TEXTS = sorted(
    path
    for pattern in ("*.md", "*.toml", "*.yml", "*.cff", "docs/**/*.md", "napari_medad/**/*.md")
    for path in ROOT.glob(pattern)
)
METHODS = [path.parent.name for path in sorted(PACKAGE.glob("detectors/*/__init__.py"))]
OURS = [name for name, card in cards().items() if card.package.startswith("napari_medad.")]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> Iterator[str]:
    """Dotted names of everything a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def bodies(path: Path) -> Iterator[tuple[str, int]]:
    """Every function of a file and the lines of its body, docstring apart."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            statements = node.body[1:] if ast.get_docstring(node) else node.body
            last = node.body[-1].end_lineno or 0
            yield node.name, last - statements[0].lineno + 1 if statements else 0


def docstring_lines(path: Path) -> int:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = (node for node in ast.walk(tree) if isinstance(node, documented))
    firsts = (node.body[0] for node in nodes if ast.get_docstring(node))
    return sum((first.end_lineno or 0) - first.lineno + 1 for first in firsts)


def test_no_file_is_too_long():
    lengths = {relative(p): len(p.read_text(encoding="utf-8").splitlines()) for p in CODE}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_function_is_too_long():
    long = {
        f"{relative(path)}:{name}": size
        for path in CODE
        for name, size in bodies(path)
        if size > LONGEST_BODY
    }
    assert long == {}


def test_docstrings_say_enough_and_not_too_much():
    files = sorted(PACKAGE.rglob("*.py"))
    told = sum(docstring_lines(path) for path in files)
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)
    low, high = DOCSTRING_SHARE
    assert low <= told / lines <= high


def test_no_module_is_a_drawer():
    names = {path.stem for path in PACKAGE.rglob("*")}
    assert names & DRAWERS == set()


def test_layers_import_only_leftward():
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_only_the_viewer_imports_a_window_toolkit():
    outside = [p for p in PACKAGE.rglob("*.py") if PACKAGE / "viewer" not in p.parents]
    found = {
        f"{relative(path)}: {name}"
        for path in outside
        for name in imported(path)
        if name.split(".")[0] in TOOLKITS
    }
    assert found == set()


@pytest.mark.parametrize("method", METHODS)
def test_a_method_imports_no_other_method(method):
    home = "napari_medad.detectors."
    others = {home + other for other in METHODS if other != method}
    found = {
        name
        for path in (PACKAGE / "detectors" / method).rglob("*.py")
        for name in imported(path)
        if any(name == other or name.startswith(other + ".") for other in others)
    }
    assert found == set()


def test_cards_and_settings_are_read_without_torch():
    script = (
        "import sys, napari_medad\n"
        "for card in napari_medad.detectors().values(): card.settings_type()\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


@pytest.mark.parametrize("name", OURS)
def test_every_detector_is_documented(name):
    folder = ROOT.joinpath(*cards()[name].package.split("."))
    told = (folder / "METHOD.md").read_text(encoding="utf-8")
    assert told.startswith("# ")
    assert re.search(r"^\|.*(in code|ours|code)", told, re.MULTILINE | re.IGNORECASE)
    assert re.search(r"\bmeasured\b", told, re.IGNORECASE)
    assert re.search(r"\b20\d\d\b", told)


def test_nothing_is_left_to_do():
    mark = re.compile(r"\b(TODO|FIXME|XXX)\b")
    here = Path(__file__)
    left = [relative(p) for p in CODE + TEXTS if p != here and mark.search(p.read_text("utf-8"))]
    assert left == []


def test_texts_name_no_machine():
    found = {
        f"{relative(path)}:{number}"
        for path in TEXTS + [p for p in CODE if PACKAGE in p.parents]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    }
    assert found == set()


def test_the_documentation_builds(tmp_path):
    mkdocs = Path(sys.executable).with_name("mkdocs")
    if not mkdocs.exists():
        pytest.skip("mkdocs is not installed (the extra docs)")
    built = subprocess.run(
        [mkdocs, "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    for name in OURS:
        assert (tmp_path / "site" / "methods" / name / "index.html").is_file()
