"""The API of Quantix: models (`from quantix_api import VirtualMachine`), and data about them.

The models are loaded when the first of them is asked for: what runs before anything is installed (`make up`)
and what must be quick (`qx --help`) import errors, paths and tables from here without pydantic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quantix_api.kinds import *  # noqa: F403
    from quantix_api.vm_parts import *  # noqa: F403

_MODELS = ("quantix_api.kinds", "quantix_api.vm_parts")


def __getattr__(name: str) -> object:
    """The model of that name (PEP 562). Python asks here for submodules, too: their names are lower case."""
    if name[:1].isupper() or name in ("to_manifest", "volume_name"):
        for module in map(importlib.import_module, _MODELS):
            if name in module.__all__:
                found: object = getattr(module, name)
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
