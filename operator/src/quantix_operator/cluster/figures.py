"""The network's metrics.

Made once by `networking` and the tests; written by the client of the northbound database and the sweep.
"""

from __future__ import annotations

from quantix_api import metric_table_operator as table
from quantix_client.instruments import counter, gauge, histogram
from quantix_operator.metrics import Metrics


class NetworkFigures:
    """Registers with the process' metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self.rows = gauge(table.NORTHBOUND_ROWS, metrics.registry)
        self._seconds = histogram(table.NORTHBOUND_SECONDS, metrics.registry)
        self._transactions = counter(table.NORTHBOUND_TRANSACTIONS, metrics.registry)
        self._operations = counter(table.NORTHBOUND_OPERATIONS, metrics.registry)

    def transaction(self, outcome: str, operations: int, seconds: float) -> None:
        """Count one transaction; `outcome` is `committed` or a reason."""
        self._seconds.observe(seconds)
        self._transactions.labels(outcome).inc()
        if outcome == "committed":
            self._operations.inc(operations)
