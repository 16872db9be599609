"""Two LLVMs in one process: the renderer's and triton's, kept apart."""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path


def load_triton_apart() -> None:
    """Load triton's library, if torch came with it, so that its LLVM binds to itself.

    Mesa, which draws napari where there is no vendor's OpenGL driver, loads an LLVM. torch
    imports triton with another one on the first step of an optimiser, and as the dynamic
    loader mixes their symbols, the process crashes. Does nothing where there is no such
    LLVM, or triton is loaded already.
    """
    if sys.platform != "linux" or "triton" in sys.modules or not _renderer_has_llvm():
        return
    spec = find_spec("triton")
    for home in (spec.submodule_search_locations or ()) if spec else ():
        for library in Path(home).glob("_C/libtriton*.so"):
            # Through the C function, as that leaves the interpreter to the window's thread.
            ctypes.CDLL(None).dlopen(os.fsencode(library), os.RTLD_NOW | os.RTLD_DEEPBIND)


def _renderer_has_llvm() -> bool:
    try:
        return "libLLVM" in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
