"""What is different in an object store: commits are objects, the lock is a lease, and errors come over the network."""

import os
import pickle
import socket
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest

from caviar.scheduler.errors import (
    InvalidSpecError,
    JournalError,
    ObjectStoreError,
    StorageError,
    SweepError,
    SweepLockedError,
)
from caviar.scheduler.storage import Journal, Location, ObjectPath, SweepLock, holder, locate, read_journal


@pytest.fixture
def journal(prefix: str) -> Location:
    return locate(prefix) / "journal"


@pytest.fixture
def lock(prefix: str, monkeypatch: pytest.MonkeyPatch) -> Location:
    monkeypatch.setattr("caviar.scheduler.storage.lease._SETTLE_S", 0.05)
    monkeypatch.setattr("caviar.scheduler.storage.lease._WATCH_S", 0.2)
    return locate(prefix) / "lock"


def commit(journal: Journal, *numbers: int) -> None:
    for number in numbers:
        journal.append({"n": number})
        journal.commit()


def numbers(journal: Location) -> list[int]:
    return [event["n"] for event in read_journal(journal)]


def names(folder: Location) -> list[str]:
    return [path.name for path in folder.iterdir()]


def lease_of_another(lock: Location, **facts: Any) -> None:
    now = datetime.now(timezone.utc).isoformat()
    content = {"token": "another", "pid": 4242, "host": "far", "machine": "far", "since": now, "renewed": now}
    lock.write_bytes(orjson.dumps({**content, **facts}))


def test_a_uri_is_a_path_that_other_processes_can_be_sent() -> None:
    path = locate("s3://bucket/sweeps/?region=eu-west-1") / "digits" / "sweep.yaml"
    assert str(path) == "s3://bucket/sweeps/digits/sweep.yaml?region=eu-west-1"
    assert (path.name, path.stem, str(path.parent)) == (
        "sweep.yaml",
        "sweep",
        "s3://bucket/sweeps/digits?region=eu-west-1",
    )
    assert pickle.loads(pickle.dumps(path)) == path
    assert locate("file:///data/my%20sweeps") == Path("/data/my sweeps")
    assert locate("gs://bucket/sweeps") == ObjectPath("gs", "bucket/sweeps")


@pytest.mark.parametrize(
    "bad", [None, 3, "", "a\0b", "x" * 5000, "s3://", "s3://[b", "ftp://h/x", "file://h/x", "file:///a%00"]
)
def test_what_is_neither_a_path_nor_a_uri_is_refused_in_one_sentence(bad: object) -> None:
    with pytest.raises(InvalidSpecError, match=r"^the sweep's directory.*, got .*\.$") as refusal:
        locate(bad)
    assert len(str(refusal.value)) < 300


def test_credentials_in_a_uri_are_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidSpecError, match="set AWS_ACCESS_KEY_ID") as refusal:
        locate("s3://AKIA1:hush@bucket/x?session_token=quiet")
    assert not any(secret in str(refusal.value) for secret in ("AKIA1", "hush", "quiet"))


def test_a_run_writes_an_object_a_commit_and_joins_them_when_it_ends(journal: Location) -> None:
    with Journal.open(journal) as first:
        commit(first, 1, 2)
        assert names(journal) == ["000001"]
        assert names(journal / "000001") == ["00000001.jsonl", "00000002.jsonl"]
        assert numbers(journal) == [1, 2]
    with Journal.open(journal) as second:
        commit(second, 3)
    assert names(journal) == ["000001.jsonl", "000002.jsonl"]
    assert numbers(journal) == [1, 2, 3]


def test_the_objects_of_a_long_run_are_joined_now_and_then(journal: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caviar.scheduler.storage.journal_sink._MOST_OBJECTS", 3)
    with Journal.open(journal) as run:
        commit(run, *range(7))
        assert names(journal) == ["000001.jsonl", "000002.jsonl", "000003"]
        assert numbers(journal) == list(range(7))


def test_the_objects_of_a_killed_run_count_and_what_it_uploads_after_the_next_has_begun_does_not(
    journal: Location,
) -> None:
    killed = Journal.open(journal)
    commit(killed, 1, 2)
    with Journal.open(journal) as resumed:
        commit(resumed, 3)
        commit(killed, 99)
        assert numbers(journal) == [1, 2, 3]


@pytest.mark.parametrize("lost", ["00000001.jsonl", "00000002.jsonl"])
def test_a_missing_object_is_refused(journal: Location, lost: str) -> None:
    commit(Journal.open(journal), 1, 2, 3)
    (journal / "000001" / lost).unlink()
    with pytest.raises(JournalError, match=f"000001/{lost} is missing, and 0000000[23].jsonl follows it"):
        read_journal(journal)


@pytest.mark.parametrize("change", [lambda data: data[:-5], lambda data: data.replace(b"2", b"7")])
def test_an_object_that_was_changed_is_refused(journal: Location, change: Callable[[bytes], bytes]) -> None:
    commit(Journal.open(journal), 1, 2)
    changed = journal / "000001" / "00000002.jsonl"
    changed.write_bytes(change(changed.read_bytes()))
    with pytest.raises(JournalError, match=r"000001/00000002\.jsonl, line 1: the checksum does not match"):
        read_journal(journal)


def test_a_commit_that_failed_is_repeated_in_the_same_object_since_the_first_may_still_arrive(
    journal: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, late = ObjectPath._put, list[tuple[ObjectPath, bytes]]()

    def lose(path: ObjectPath, data: bytes) -> None:
        late.append((path, bytes(data)))
        raise ObjectStoreError(str(path), "the answer is lost")

    run = Journal.open(journal)
    commit(run, 1)
    with monkeypatch.context() as patch:
        patch.setattr(ObjectPath, "_put", lose)
        for number in (2, 3):
            with pytest.raises(ObjectStoreError, match="the answer is lost; try again later"):
                commit(run, number)
    commit(run, 4)
    for path, data in late:
        put(path, data)
    assert numbers(journal) == [1, 2, 3, 4]
    commit(run, 5)
    run.close()
    assert (numbers(journal), names(journal)) == ([1, 2, 3, 4, 5], ["000001.jsonl"])


def test_a_journal_copied_to_a_disk_is_read_and_continued_there(journal: Location, tmp_path: Path) -> None:
    commit(Journal.open(journal), 1, 2)
    for path in (journal / "000001").iterdir():
        (tmp_path / "000001").mkdir(exist_ok=True)
        assert isinstance(path, ObjectPath)
        path.download(tmp_path / "000001" / path.name)
    assert numbers(tmp_path) == [1, 2]
    with Journal.open(tmp_path) as resumed:
        commit(resumed, 3)
    assert numbers(tmp_path) == [1, 2, 3]


def test_a_process_that_has_lost_its_lease_writes_nothing_more(
    lock: Location, journal: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caviar.scheduler.storage.lease._LOOK_S", 0.0)
    with SweepLock(lock) as held:
        run = Journal.open(journal, held.check)
        commit(run, 1)
        lease_of_another(lock)
        with pytest.raises(SweepLockedError, match=r"lost its right to run the sweep; .* taken by process 4242"):
            commit(run, 2)
    assert numbers(journal) == [1]
    assert holder(lock) is not None, "the lease of the other one stays"


def test_a_lease_that_another_machine_renews_is_respected(lock: Location) -> None:
    lease_of_another(lock)
    with pytest.raises(SweepLockedError, match="is being run by process 4242 on far"), SweepLock(lock):
        pass


@pytest.mark.parametrize(
    "dead",
    [
        {"renewed": (datetime.now(timezone.utc) - timedelta(seconds=60)).isoformat()},
        {"host": socket.gethostname(), "pid": 2**22 + 1, "machine": None},
    ],
    ids=["not renewed for a minute", "its process on this machine is gone"],
)
def test_a_dead_lease_is_nobodys_and_can_be_taken(lock: Location, dead: dict[str, Any]) -> None:
    if "machine" in dead:
        with SweepLock(lock):
            dead = {**dead, "machine": orjson.loads(lock.read_bytes())["machine"]}
    lease_of_another(lock, **dead)
    assert holder(lock) is None
    with SweepLock(lock):
        found = holder(lock)
    assert found is not None
    assert found.pid == os.getpid()


def test_a_bucket_that_is_not_there_is_named(bucket: str) -> None:
    nowhere = locate("s3://no-such-bucket/x")
    assert isinstance(nowhere, ObjectPath)
    for use in (nowhere.check_bucket, nowhere.read_bytes, nowhere.touch, nowhere.iterdir):
        with pytest.raises(SweepError, match="there is no bucket no-such-bucket; make it, or name another one"):
            use()


def test_a_store_that_cannot_be_reached_is_an_error_after_a_few_attempts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    nowhere = locate(f"s3://bucket/x?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1")
    with pytest.raises(StorageError, match=r"the object store does not answer as it should .*Could not connect"):
        nowhere.read_bytes()
