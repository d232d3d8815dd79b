"""Makes the shared fixtures known to the tests of every component, gives each worker of xdist the tests that
belong together, and makes property tests the same for all and event loops patient.
"""

import asyncio
from pathlib import PurePosixPath

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from quantix_lab.checkout import CHECKOUT
from quantix_lab.patient_loop import PatientPolicy
from quantix_lab.side_by_side import Groups, group_of, place_of

pytest_plugins = ["quantix_lab.fixtures"]

asyncio.set_event_loop_policy(PatientPolicy())

# how long an example takes tells how busy the machine is, not whether a property holds
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups that take long come first, so that no worker begins with one when the others are done."""
    items.sort(key=lambda item: place_of(PurePosixPath(item.path.relative_to(CHECKOUT))))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    """A worker runs whole groups."""
    return Groups(config, log, group_of)
