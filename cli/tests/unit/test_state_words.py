"""The words that --state takes are those that qx shows."""

from quantix_api import state
from quantix_cli.fetch import STATE_WORDS


def test_every_state_word_can_be_filtered_by() -> None:
    words = {value.word for value in vars(state).values() if isinstance(value, state.StateWord)}
    hosts = {value.word for value in state._HOSTS.values()}
    assert set(STATE_WORDS) == words | hosts
