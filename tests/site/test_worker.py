"""What a worker does besides requests takes little from them."""

import os

from gunicorn.config import Config
from gunicorn.glogging import Logger

from serving import worker
from serving.worker import WholeRequestWorker
from tests.support import live
from tests.support.live import NOBODY_LISTENS


def test_garbage_collection_leaves_out_what_was_loaded_before_the_fork():
    with live.site(NOBODY_LISTENS, application="tests.support.collected") as site:
        looked_through, left_out = map(int, site.get("/").text.split())
    assert left_out > 100_000
    assert looked_through < left_out / 10


def test_a_worker_gives_a_sign_of_life_in_time_and_not_in_each_round(monkeypatch):
    settings = Config()
    this = WholeRequestWorker(1, os.getppid(), [], None, settings.timeout, settings, Logger(settings))
    try:
        this.notify()
        first = this.tmp.last_update()
        this.notify()
        assert this.tmp.last_update() == first
        assert settings.timeout / 10 > worker.NOTIFY_EVERY_S
        monkeypatch.setattr(this, "_notify_at", this._notify_at - worker.NOTIFY_EVERY_S)
        this.notify()
        assert this.tmp.last_update() > first
    finally:
        this.tmp.close()
