"""The server's own metrics: answers and their durations, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds


class _Registry(CollectorRegistry):
    """Leaves out when each series was created, which the client library adds to every counter and histogram."""

    def collect(self) -> Iterable[Metric]:
        for metric in super().collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


class Metrics:
    """Counts and durations of the answers of one application."""

    def __init__(self) -> None:
        self._registry = _Registry()
        self._requests = Counter(
            "movie_autoencoder_requests", "Answers by route and status.", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "movie_autoencoder_request_seconds",
            "Seconds from a request to its answer.",
            ("route",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        Gauge(
            "movie_autoencoder_start_time_seconds",
            "When the server started, seconds since 1970.",
            registry=self._registry,
        ).set_to_current_time()

    def count(self, route: str, status: int, seconds: float) -> None:
        """Counts one answer."""
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> str:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry).decode()
