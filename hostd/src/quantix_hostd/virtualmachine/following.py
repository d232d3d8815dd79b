"""What goes on beside a guest while it runs: its console is read, and its agent is asked.

Called by the reconciler after each look: hostd may have started after the guest.
"""

from __future__ import annotations

from pathlib import Path

from quantix_hostd.facts.domain import DomainState
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.tools import VmTools


def follow_guest(tools: VmTools, observed: Observed) -> None:
    """Read the console of a guest that runs and ask its agent; forget the agent of one that does not."""
    if observed.live is None or observed.domain is None:
        tools.guests.forget(observed.uid)
        return
    serial = observed.live.devices.get("ua-qx_serial")
    if serial is not None:
        tools.consoles.attach(observed.uid, Path(serial["path"]))
    running = observed.domain.state is not DomainState.PAUSED
    tools.guests.see(observed.uid, channel_open=observed.agent_channel, running=running)
