"""The page of numbers: what the processes counted, what waits on the disk, and what the alerts worker last saw."""

import time
from collections.abc import Iterator

from django.conf import settings
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from leads.delivery import trouble
from leads.delivery.health import outbox_state
from leads.delivery.trouble import Trouble
from telemetry import series
from telemetry.numbers import Counter, Histogram


class SiteCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        yield _build()
        yield from _outbox()
        yield from _waiting()
        for each in series.ALL:
            if isinstance(each, Counter):
                yield _counter(each)
            elif isinstance(each, Histogram):
                yield _histogram(each)


def page(accept: str) -> tuple[bytes, str]:
    """Return the page in the format that the scraper prefers, and its content type. accept: the header's value."""
    encode, content_type = choose_encoder(accept)
    return encode(SiteCollector()), content_type


def _build() -> Metric:
    family = GaugeMetricFamily("folio_build_info", "The release that runs.", labels=["version"])
    family.add_metric([settings.VERSION], 1)
    return family


def _outbox() -> Iterator[Metric]:
    waiting = outbox_state()
    age = waiting.age_s(time.time())
    yield GaugeMetricFamily(
        "folio_outbox_pending", "Leads on this machine's disk that Postgres lacks.", waiting.pending
    )
    yield GaugeMetricFamily("folio_outbox_oldest_seconds", "For how long the oldest of them has waited.", age)
    yield GaugeMetricFamily("folio_outbox_quarantined", "Leads that Postgres refused.", waiting.quarantined)
    yield GaugeMetricFamily("folio_outbox_damaged", "Files that could not be read whole.", waiting.damaged)
    yield GaugeMetricFamily(
        "folio_outbox_inaccessible", "Files and directories that this user may not use.", len(waiting.inaccessible)
    )
    present = trouble.current(settings.OUTBOX_DIRECTORIES)
    family = GaugeMetricFamily("folio_trouble", "1 for what needs a person.", labels=["what"])
    for which in Trouble:
        family.add_metric([str(which)], which in present)
    yield family


def _waiting() -> Iterator[Metric]:
    """Yield what Postgres last said. Only the process whose alerts worker is on duty asks; the newest answer counts."""
    yield GaugeMetricFamily(series.IS_OPEN.name, series.IS_OPEN.about, sum(series.IS_OPEN.of_living()))
    answers = (series.ASKED_AT, series.WAITING, series.OLDEST_AT)
    newest = max(zip(*(each.of_living() for each in answers), strict=True), default=(0.0, 0.0, 0.0))
    if newest[0]:
        for each, value in zip(answers, newest, strict=True):
            yield GaugeMetricFamily(each.name, each.about, value)


def _counter(counter: Counter) -> Metric:
    family = CounterMetricFamily(counter.name, counter.about, labels=list(counter.labels))
    for labels, [count] in counter.read().items():
        family.add_metric(labels, count)
    return family


def _histogram(histogram: Histogram) -> Metric:
    """Leave out combinations of labels that never came: most do not."""
    family = HistogramMetricFamily(histogram.name, histogram.about, labels=list(histogram.labels))
    for labels, (*counts, seconds) in histogram.read().items():
        if any(counts):
            below, buckets = 0.0, []
            for bound, count in zip([*map(str, histogram.bounds), "+Inf"], counts, strict=True):
                below += count
                buckets.append((bound, below))
            family.add_metric(labels, buckets, seconds)
    return family
