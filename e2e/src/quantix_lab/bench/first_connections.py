"""When each of some TCP ports is reached first: `python -m …bench.first_connections ADDRESS:PORT …`.

Prints `trying`, then for each, in the order in which they answer, ADDRESS:PORT and the seconds since the
machine's boot (CLOCK_BOOTTIME). A refusal is an answer, too: the packet got through. Ends after the last one.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress

# a packet that is dropped is not sent again within our time: so a new one goes out every moment
_EVERY_S = 0.02
_PATIENCE_S = 1.0


def main() -> None:
    """Until all have answered."""
    asyncio.run(_all(sys.argv[1:]))


async def _all(places: list[str]) -> None:
    _tell("trying")
    await asyncio.gather(*map(_first, places))


async def _first(place: str) -> None:
    answered = asyncio.Event()
    async with asyncio.TaskGroup() as tries:
        while not answered.is_set():
            tries.create_task(_try(place, answered))
            await asyncio.sleep(_EVERY_S)


async def _try(place: str, answered: asyncio.Event) -> None:
    address, _, port = place.rpartition(":")
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, int(port)), _PATIENCE_S)
    except ConnectionRefusedError:
        pass
    except (OSError, TimeoutError):
        return
    else:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    if not answered.is_set():
        answered.set()
        _tell(f"{place} {time.clock_gettime(time.CLOCK_BOOTTIME)}")


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
