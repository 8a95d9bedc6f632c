"""Jobs and keys of the server in a store: they are no facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from postlens.errors import UnknownNameError
from postlens.store import Store
from postlens.store.forget import forget_creator
from postlens.store.jobs import Job, count_open, delete_finished, read_job, read_jobs, requeue, write_job
from postlens.store.keys import ApiKey, read_key, read_keys, revoke_key, write_key
from postlens.store.meta import read_revision
from postlens.store.posts import write_posts

from .facts import NOW, located

JOB = Job("a", "analyze", "queued", NOW, request={"media": ["x.jpg"]})
KEY = ApiKey("k1", "somebody", "0" * 64, ("read", "write"), NOW)


def test_jobs_come_back_as_they_were_and_make_no_revision(store: Store) -> None:
    done = replace(JOB, job_id="b", state="done", finished_at=NOW, result={"post_ids": ["1"]}, request=None)
    with store.write() as conn:
        write_job(conn, JOB)
        write_job(conn, done)
        write_key(conn, KEY)
    with store.read() as conn:
        assert read_jobs(conn) == [JOB, done]
        assert read_jobs(conn, states=("done",)) == [done]
        assert count_open(conn) == 1
        assert read_job(conn, "c") is None
        assert read_revision(conn) == 0


def test_jobs_that_ran_wait_again(store: Store) -> None:
    with store.write() as conn:
        write_job(conn, replace(JOB, state="running", started_at=NOW))
        assert requeue(conn) == 1
        assert read_jobs(conn) == [JOB]


def test_one_process_holds_a_schema_of_postgresql_at_a_time(store_url: str) -> None:
    is_server = "://" in store_url
    with Store.open(store_url) as store, Store.open(store_url) as other:
        with store.held_alone() as first, other.held_alone() as second:
            assert (first, second) == (True, not is_server)
        with other.held_alone() as again:
            assert again


def test_finished_jobs_go_after_their_time_and_when_somebody_is_forgotten(store: Store) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1)], now=NOW)
        write_job(conn, JOB)
        for name, at in (("old", NOW - timedelta(days=9)), ("new", NOW)):
            write_job(conn, replace(JOB, job_id=name, state="done", finished_at=at))
        assert delete_finished(conn, before=NOW - timedelta(days=1)) == 1
        creator_id = located(1).post.creator_id
        forget_creator(conn, creator_id, now=NOW)
        assert [job.job_id for job in read_jobs(conn)] == ["a"]


def test_a_key_is_revoked_once(store: Store) -> None:
    with store.write() as conn:
        write_key(conn, KEY)
        revoke_key(conn, "k1", now=NOW)
        assert read_key(conn, "k1") == replace(KEY, revoked_at=NOW)
        assert len(read_keys(conn)) == 1
        with pytest.raises(UnknownNameError):
            revoke_key(conn, "k1", now=NOW)
        assert read_key(conn, "k2") is None
