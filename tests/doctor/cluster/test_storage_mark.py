"""Driver and nodes find each other's marks in the storage, on a disk and in an object store, and leave nothing."""

from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler.doctor.cluster.probe import Probe
from caviar.scheduler.doctor.cluster.storage_mark import StorageMark, storage_mark
from caviar.scheduler.errors import StorageError
from caviar.scheduler.storage import Location, ObjectPath


def look(storage: Location, mark: StorageMark, **asked: Any) -> dict[str, Any]:
    question = {"storage": str(storage), "mark": mark.folder.name, "secret": mark.secret, "node": "node"}
    return Probe([]).look({**question, "trainer": None, "data": None, **asked})


def left_in(place: Location) -> list[Any]:
    return list(place.tree()) if isinstance(place, ObjectPath) else list(place.iterdir())


def test_a_node_sees_the_drivers_mark_the_driver_the_nodes_and_then_both_are_gone(place: Location) -> None:
    storage = place / "data" / "sweeps"
    with storage_mark(storage) as mark:
        said = look(storage, mark)
        assert (said["storage_problem"], said["exchanged"]) == (None, True)
        assert mark.seen_from({"a": "node", "b": "another"}) == {"a": True, "b": False}
    assert left_in(place) == []


def test_what_was_there_before_stays(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    with storage_mark(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_another_storage_with_a_folder_of_the_same_name_is_not_the_drivers(place: Location) -> None:
    with storage_mark(place / "one") as mark, storage_mark(place / "two") as other:
        said = look(place / "two", StorageMark(other.folder, mark.secret))
        assert said["storage_problem"] == "is not the driver's: what the driver writes is not seen there"
        assert not said["exchanged"]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with storage_mark(tmp_path / "here") as mark:
        assert look(tmp_path / "elsewhere", mark)["storage_problem"] == "does not exist there"


def test_an_object_store_that_does_not_answer_a_node_is_said(
    prefix: str,
) -> None:
    key = prefix.removeprefix("s3://")
    with storage_mark(ObjectPath("s3", key)) as mark:
        gone = ObjectPath("s3", f"no-such-{key}")
        assert look(gone, mark)["storage_problem"].startswith("cannot be used there (s3://no-such-bucket/")


def test_storage_that_the_driver_cannot_write_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = r"storage: \S+file cannot be written from here \(Not a directory\); name"
    with pytest.raises(StorageError, match=said), storage_mark(tmp_path / "file"):
        pass
