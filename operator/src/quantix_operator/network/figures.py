"""The network's figures in Prometheus' format.

Made once by `network.build` and the tests; written by the client of the northbound database and the sweep.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from quantix_operator.metrics import Metrics


class NetworkFigures:
    """Registers with the process' metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self.rows = Gauge(
            "quantix_operator_northbound_rows",
            "Rows of the network database: ours, foreign, and held back as suspicious to remove",
            ["whose"],
            registry=metrics.registry,
        )
        self._seconds = Histogram(
            "quantix_operator_northbound_transaction_seconds",
            "Time of one transaction of the network database",
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
            registry=metrics.registry,
        )
        self._transactions = Counter(
            "quantix_operator_northbound_transactions",
            "Transactions of the network database",
            ["outcome"],
            registry=metrics.registry,
        )
        self._operations = Counter(
            "quantix_operator_northbound_operations",
            "Rows that transactions of the network database made, changed or removed",
            registry=metrics.registry,
        )

    def transaction(self, outcome: str, operations: int, seconds: float) -> None:
        """Count one transaction; `outcome` is `committed` or a reason."""
        self._seconds.observe(seconds)
        self._transactions.labels(outcome).inc()
        if outcome == "committed":
            self._operations.inc(operations)
