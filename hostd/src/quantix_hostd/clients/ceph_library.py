"""Debian's bindings of librados and librbd (python3-rados, python3-rbd), which no index of Python has.

Used by the modules of Ceph in `clients`, and by `volume.rbd_disk`. Only these two are loaded from the
directory of the system's modules, since whatever else lies there is of other versions than ours.
"""

from __future__ import annotations

import sys
import threading
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

_DIRECTORY = Path("/usr/lib/python3/dist-packages")
# reentrant: `rbd` loads `rados`
_LOADING = threading.RLock()


class BindingMissingError(Exception):
    """The package is not installed, or for another version of Python; its text says which file is missing."""


def rados() -> Any:
    """The module `rados`. Raises BindingMissingError."""
    with _LOADING:
        return _load("rados")


def rbd() -> Any:
    """The module `rbd`. Raises BindingMissingError."""
    with _LOADING:
        # which imports `rados` by its name
        _load("rados")
        return _load("rbd")


@lru_cache(maxsize=2)
def _load(name: str) -> Any:
    """Once for a process: a second time beside the first, it would crash."""
    path = _DIRECTORY / f"{name}{EXTENSION_SUFFIXES[0]}"
    if not path.exists():
        raise BindingMissingError(f"{path} is not there: it is of package python3-{name}")
    spec = spec_from_file_location(name, path, loader=ExtensionFileLoader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
