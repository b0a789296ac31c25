"""A checkpoint is what was saved, or it is passed over."""

import hashlib
import logging
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caviar.scheduler.errors import SweepError
from caviar.scheduler.storage import Checkpoints, Location, SweepDirectory, locate, write_file


def checkpoints_in(path: Location) -> Checkpoints:
    directory = SweepDirectory(path / "sweep")
    directory.create()
    return Checkpoints(directory.checkpoints, directory.staging)


@pytest.fixture
def checkpoints(place: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoints:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return checkpoints_in(place)


def staged_for(checkpoints: Checkpoints) -> list[Location]:
    """What is on its way, in a staging folder or among the temporary files of this machine."""
    return [*checkpoints.staging.iterdir(), *Path(tempfile.gettempdir()).glob("caviar-*")]


def saving(text: str) -> Callable[[Path], bool]:
    def save(directory: Path) -> bool:
        (directory / "state.json").write_text(text)
        (directory / "model").mkdir()
        (directory / "model" / "weights.pt").write_bytes(text.encode() * 100)
        return True

    return save


def test_a_saved_state_comes_back_with_what_was_noted(checkpoints: Checkpoints) -> None:
    assert checkpoints.write(3, 9, saving("nine"), {"attempt": 1})

    found = checkpoints.newest(3)
    assert found is not None
    assert (found.trial, found.step, found.meta) == (3, 9, {"attempt": 1})
    assert found.is_copy == (found.path != checkpoints.path(3, 9))
    assert (found.path / "state.json").read_text() == "nine"
    assert (found.path / "model" / "weights.pt").read_bytes() == b"nine" * 100
    found.release()
    assert found.path.exists() != found.is_copy


def test_the_newest_is_of_the_highest_step_asked_for(checkpoints: Checkpoints) -> None:
    for step in (1, 3, 27, 9):
        checkpoints.write(0, step, saving(str(step)), {})

    steps = [found and found.step for found in (checkpoints.newest(0, at_most) for at_most in (None, 26, 9, 2, 0))]
    assert steps == [27, 9, 9, 1, None]
    assert checkpoints.steps(0) == [1, 3, 9, 27]


def test_a_trial_without_checkpoints_has_none(checkpoints: Checkpoints) -> None:
    assert checkpoints.newest(5) is None
    assert checkpoints.steps(5) == []


def test_nothing_to_save_leaves_nothing(checkpoints: Checkpoints) -> None:
    assert not checkpoints.write(0, 1, lambda directory: False, {})

    assert checkpoints.newest(0) is None
    assert not staged_for(checkpoints)


def test_an_error_while_saving_passes_through_and_leaves_nothing(checkpoints: Checkpoints) -> None:
    def fail(directory: Path) -> bool:
        saving("half")(directory)
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        checkpoints.write(0, 1, fail, {})

    assert checkpoints.newest(0) is None
    assert not staged_for(checkpoints)


def test_a_checkpoint_of_a_step_that_is_trained_again_stays_as_it_is_while_it_verifies(
    checkpoints: Checkpoints,
) -> None:
    checkpoints.write(0, 3, saving("first"), {"attempt": 0})
    checkpoints.write(0, 3, saving("second"), {"attempt": 1})

    found = checkpoints.newest(0)
    assert found is not None
    assert found.meta == {"attempt": 0}
    assert (found.path / "state.json").read_text() == "first"
    found.release()
    assert not staged_for(checkpoints)


def test_a_checkpoint_that_does_not_verify_is_replaced(checkpoints: Checkpoints) -> None:
    checkpoints.write(0, 3, saving("first"), {"attempt": 0})
    write_file(checkpoints.path(0, 3) / "state.json", b"cut", checkpoints.staging)
    checkpoints.write(0, 3, saving("second"), {"attempt": 1})

    found = checkpoints.newest(0)
    assert found is not None
    assert found.meta == {"attempt": 1}
    found.release()


def test_a_deleted_checkpoint_is_gone_and_deleting_it_again_is_harmless(checkpoints: Checkpoints) -> None:
    checkpoints.write(0, 3, saving("three"), {})

    checkpoints.delete(0, 3)
    checkpoints.delete(0, 3)

    assert checkpoints.newest(0) is None
    assert not staged_for(checkpoints)


def test_several_are_published_at_once_and_one_that_cannot_be_harms_no_other(checkpoints: Checkpoints) -> None:
    def save_a_manifest(directory: Path) -> bool:
        (directory / "manifest.json").write_text("{}")
        return True

    staged = [
        checkpoints.stage(trial, 3, save_a_manifest if trial == 4 else saving(str(trial)), {"trial": trial})
        for trial in range(20)
    ]
    assert all(checkpoints.newest(trial) is None for trial in range(20)), "nothing exists before it is published"

    errors = checkpoints.publish([one for one in staged if one is not None])

    assert [trial for trial, error in enumerate(errors) if error is not None] == [4]
    assert isinstance(errors[4], SweepError)
    for trial in range(20):
        found = checkpoints.newest(trial)
        assert (found and found.meta) == (None if trial == 4 else {"trial": trial})
        if found is not None:
            found.release()
    assert not staged_for(checkpoints)


def test_the_name_of_the_manifest_is_refused(checkpoints: Checkpoints) -> None:
    def save(directory: Path) -> bool:
        (directory / "manifest.json").write_text("{}")
        return True

    with pytest.raises(SweepError, match=r"Trial 4 saved a file named manifest\.json"):
        checkpoints.write(4, 1, save, {})


def test_it_can_be_sent_to_workers(checkpoints: Checkpoints) -> None:
    checkpoints.write(0, 3, saving("three"), {})

    elsewhere: Checkpoints = pickle.loads(pickle.dumps(checkpoints))

    found, here = elsewhere.newest(0), checkpoints.newest(0)
    assert found is not None
    assert here is not None
    assert (found.step, found.meta) == (here.step, here.meta)
    assert (found.path / "state.json").read_text() == "three"


@settings(deadline=None, max_examples=50)
@given(
    file=st.sampled_from(["state.json", "model/weights.pt", "manifest.json"]),
    at=st.integers(0, 10_000),
    bit=st.integers(0, 7),
)
def test_one_flipped_bit_anywhere_makes_an_older_one_count(file: str, at: int, bit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = checkpoints_in(Path(folder))
        checkpoints.write(0, 1, saving("one"), {"elapsed_s": 0.25})
        checkpoints.write(0, 3, saving("three"), {"elapsed_s": 0.75})
        damaged = checkpoints.path(0, 3) / file
        content = bytearray(damaged.read_bytes())
        content[at % len(content)] ^= 1 << bit
        damaged.write_bytes(bytes(content))

        found = checkpoints.newest(0)

    assert found is not None
    assert (found.step, found.meta) == (1, {"elapsed_s": 0.25})


@settings(deadline=None, max_examples=50)
@given(
    file=st.sampled_from(["state.json", "model/weights.pt", "manifest.json"]), part=st.floats(0, 1, exclude_max=True)
)
def test_a_torn_file_makes_an_older_one_count(file: str, part: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = checkpoints_in(Path(folder))
        checkpoints.write(0, 1, saving("one"), {})
        checkpoints.write(0, 3, saving("three"), {})
        torn = checkpoints.path(0, 3) / file
        content = torn.read_bytes()
        torn.write_bytes(content[: int(part * len(content))])

        found = checkpoints.newest(0)

    assert found is not None
    assert found.step == 1


@pytest.mark.parametrize("file", ["state.json", "model/weights.pt", "manifest.json"])
def test_a_missing_file_makes_an_older_one_count_and_is_logged(
    checkpoints: Checkpoints, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints.write(0, 1, saving("one"), {})
    checkpoints.write(0, 3, saving("three"), {})
    (checkpoints.path(0, 3) / file).unlink()

    with caplog.at_level(logging.WARNING):
        found = checkpoints.newest(0)

    assert found is not None
    assert found.step == 1
    assert f"{checkpoints.path(0, 3)} does not verify" in caplog.text


def test_a_checkpoint_of_another_trial_does_not_count(checkpoints: Checkpoints) -> None:
    checkpoints.write(0, 3, saving("zero"), {})
    checkpoints.write(1, 1, saving("one"), {})
    checkpoints.write(1, 3, saving("zero"), {})
    (checkpoints.path(1, 3) / "manifest.json").write_bytes((checkpoints.path(0, 3) / "manifest.json").read_bytes())

    found = checkpoints.newest(1)
    assert found is not None
    assert found.step == 1


def forge(checkpoint: Location, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes what a manifest says, and makes its own digest fit again."""
    manifest = checkpoint / "manifest.json"
    content = orjson.loads(manifest.read_bytes())
    del content["sha256"]
    change(content)
    digest = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
    manifest.write_bytes(orjson.dumps({"sha256": digest, **content}))


def fingerprint(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


FORGERIES: dict[str, Callable[[dict[str, Any], Path], object]] = {
    "a file above the folder": lambda of, secret: of["files"].update({"../../../../secret": fingerprint(secret)}),
    "a file by its absolute path": lambda of, secret: of["files"].update({str(secret): fingerprint(secret)}),
    "no files": lambda of, secret: of.pop("files"),
    "files that are no mapping": lambda of, secret: of.update(files=["state.json"]),
    "no notes": lambda of, secret: of.update(meta=None),
    "no step": lambda of, secret: of.pop("step"),
    "a file less": lambda of, secret: of["files"].pop("state.json"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_manifest_makes_an_older_one_count(checkpoints: Checkpoints, tmp_path: Path, forgery: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    checkpoints.write(0, 1, saving("one"), {})
    checkpoints.write(0, 3, saving("three"), {})
    forge(checkpoints.path(0, 3), lambda content: FORGERIES[forgery](content, secret))

    found = checkpoints.newest(0)

    assert found is not None
    assert found.step == 1


@pytest.mark.parametrize("name", ["state.json", "model", "more", "."])
def test_a_link_in_a_checkpoint_is_not_followed(tmp_path: Path, name: str) -> None:
    checkpoints = checkpoints_in(tmp_path)
    checkpoints.write(0, 1, saving("one"), {})
    checkpoints.write(0, 3, saving("three"), {})
    path = tmp_path / "sweep/checkpoints/0/3" / name
    target = (tmp_path / "elsewhere").resolve()
    if path.exists():
        path.rename(target)
    path.symlink_to(target)

    found = checkpoints.newest(0)

    assert found is not None
    assert found.step == 1


def test_in_an_object_store_a_checkpoint_without_its_manifest_does_not_exist(
    prefix: str,
) -> None:
    checkpoints = checkpoints_in(locate(prefix))
    checkpoints.write(0, 1, saving("one"), {})
    checkpoints.write(0, 3, saving("three"), {})
    (checkpoints.path(0, 3) / "manifest.json").unlink()

    assert checkpoints.steps(0) == [1, 3]
    assert not checkpoints.exists(0, 3)
    found = checkpoints.newest(0)
    assert found is not None
    assert found.step == 1
    found.release()


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "model/../../outside"])
def test_a_manifest_that_names_a_file_outside_of_its_checkpoint_is_not_followed(prefix: str, name: str) -> None:
    checkpoints = checkpoints_in(locate(prefix))
    checkpoints.write(0, 3, saving("three"), {})
    forge(checkpoints.path(0, 3), lambda content: content["files"].update({name: content["files"].pop("state.json")}))

    assert checkpoints.newest(0) is None
