"""`python -m quantix_cli.debianimage`: build the Debian image unless it is there, and print its path."""

import os
import sys
from pathlib import Path

from quantix_api.errors import QuantixError
from quantix_cli.debianimage.build import ensure_debian_image

if __name__ == "__main__":
    try:
        print(ensure_debian_image(Path(os.environ.get("QUANTIX_CACHE", "/var/cache/quantix"))))
    except QuantixError as error:
        sys.exit(str(error))
