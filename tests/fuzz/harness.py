"""Hostile bytes for the readers of specs, journals and Parquet parts: `python tests/fuzz/harness.py --help`.

Every input runs in a child process with a time limit, so that a native crash and a hang are found as well as an
exception that is not one of Caviar's. An input that is accepted must mean what was written. With `--atheris` the
child's inputs are guided by coverage; otherwise they are mutations of valid files.
"""

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

LIMIT_S = 10
"""Seconds of the processor that one input may take; a mutated file takes milliseconds."""

SPECS: list[dict[str, Any]] = [
    {
        "name": "digits",
        "trainer": "train.py:train",
        "metric": "val_loss",
        "mode": "max",
        "space": {
            "lr": {"log": [1e-4, 1.0]},
            "momentum": {"inverse_log": [0.9, 0.999], "when": {"kind": ["sgd"]}},
            "hidden": {"integer": [4, 64], "log": True},
            "kind": {"choice": ["sgd", "adam"]},
            "depth": {"ordinal": [1, 2, 4]},
            "share": {"uniform": [0.0, 0.5], "step": 0.125},
        },
        "constraints": ["lr * hidden <= 40", "kind in ['sgd', 'adam'] or depth > 1"],
        "resource": {"unit": "epoch", "min": 1, "max": 27, "eta": 3},
        "budget": {"trials": 60, "hours": 1.5},
        "workers": {"cpu": 1, "gpu": 0.5, "count": 2, "warm": 4},
        "controller": {"name": "coarse_to_fine", "pipeline": 2},
        "initial": [{"kind": "sgd", "momentum": 0.95, "lr": 0.1, "depth": 2}, {"lr": 1.0}],
        "seed": 7,
    },
    {
        "name": "b",
        "trainer": {"command": "python train.py --lr {lr} --seed {seed}"},
        "metric": "loss",
        "space": {"lr": {"log": [1e-4, 1.0]}, "fixed": {"constant": {"a": [1, None]}}},
        "resource": {"max": 9},
        "budget": {"resource": 900},
        "controller": "asha",
        "proposer": {"name": "optuna.samplers.TPESampler", "n_startup_trials": 4},
        "warm_start": {"path": "sweeps/a", "assume": {"lr": 0.01}},
        "fuse": {"size": 4, "static": ["fixed"], "padded": []},
        "versions": {"python": "3.12"},
    },
]
TOKENS = [
    "!!python/object/apply:os.system ['true']", "&a [*a]", "<<: *a", "---", "...", "? ", "- - - -", "{{{{", "[[[[",
    ">", "'", '"', "\\x00", "\ufeff", "\u2028", "0x1f", "0o17", "1e999", "-.inf", ".nan", "~", "9" * 40, "\t", "|2-",
    "!!binary aaaa", "*a", "&a", "@", "`", "lr ** lr ** lr", "((((((((((", "not not not lr", "lr if lr else lr",
    "'\\d' == kind", "{lr!r}", "{0}", "{", "}", "..", "/", "~root", "\x85", "name: x\n", "space:\n", "budget: {}\n",
    "%YAML 9", "lr.lr",
]  # fmt: skip
"""Pieces of YAML, expressions and commands that have harmed other programs."""

VALUES: list[Any] = [
    None, True, 0, -1, 1, 2.5, 1e308, float("nan"), float("inf"), 10**18, 10**30, -(10**40), "", "a", "é\u2028", "a\0b",
    "x" * 5000, [], [[]], [1, 2], ["a", "b"], {}, {"a": 1}, {"": None}, {"lr": [1]}, "1e5", "no", "lr", "model", "grid",
    "off", "auto", "random", "../..", "s3://a/b", "lr > 0", ["lr > 2"], {"command": []}, {"name": "grid", "points": 9},
]  # fmt: skip

Check = Callable[[bytes], bool]
"""Raises where a reader misbehaves; else whether it accepted the bytes."""


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one to eight changes."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 3, 8])):
        at = chance.randrange(len(changed) + 1)
        end = min(len(changed), at + chance.choice([1, 1, 2, 4, 8, 64, 1000]))
        match chance.randrange(8):
            case 0 | 1 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 2 if at < len(changed):
                changed[at] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
            case 3:
                del changed[at:end]
            case 4:
                changed[at:at] = chance.randbytes(chance.choice([1, 2, 4, 16]))
            case 5:
                there = chance.randrange(len(changed) + 1)
                changed[there:there] = changed[at:end]
            case 6:
                changed[at:end] = bytes(end - at)
            case 7 if chance.random() < 0.3:
                del changed[at:]
    return bytes(changed)


def mutated_tree(tree: Any, chance: random.Random) -> Any:
    """A JSON value with one place in it replaced, removed or renamed."""
    if isinstance(tree, dict) and tree and chance.random() < 0.9:
        name = chance.choice(list(tree))
        change = chance.random()
        if change < 0.1:
            return {key: value for key, value in tree.items() if key != name}
        if change < 0.2:
            return {(chance.choice(TOKENS) if key == name else key): value for key, value in tree.items()}
        return {**tree, name: mutated_tree(tree[name], chance)}
    if isinstance(tree, list) and tree and chance.random() < 0.8:
        at = chance.randrange(len(tree))
        return [*tree[:at], mutated_tree(tree[at], chance), *tree[at + chance.choice([0, 1, 1, 1, 2]) :]]
    return chance.choice([*VALUES, *TOKENS])


def short(error: Exception) -> bool:
    """False: the bytes were refused, in words that do not quote all of them."""
    assert len(str(error)) < 3000, f"a message of {len(str(error))} characters"
    return False


def spec_inputs(folder: Path, chance: random.Random) -> Iterator[bytes]:
    """Texts of specs: mutated trees, mutated texts, and pieces put together."""
    from caviar.scheduler.spec.spec import SweepSpec  # noqa: PLC0415

    texts = [SweepSpec.parse(spec).to_yaml() for spec in SPECS]
    while True:
        match chance.randrange(4):
            case 0:
                text = json.dumps(mutated_tree(chance.choice(SPECS), chance))
            case 1:
                text = json.dumps(mutated_tree(mutated_tree(chance.choice(SPECS), chance), chance))
            case 2:
                lines = chance.choice(texts).splitlines(keepends=True)
                at = chance.randrange(len(lines))
                place = chance.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:place] + chance.choice(TOKENS) + lines[at][place:]
                text = "".join(lines)
            case _:
                yield mutated(chance.choice(texts).encode(), chance)
                continue
        yield text.encode("utf-8", "surrogatepass")


def check_spec(folder: Path) -> Check:
    """A spec is refused in short sentences, or comes back equal from its YAML."""
    from caviar.scheduler.spec.overrides import override  # noqa: PLC0415
    from caviar.scheduler.spec.spec import SweepSpec  # noqa: PLC0415
    from caviar.search_spaces import CaviarError  # noqa: PLC0415
    from caviar.search_spaces.strict_yaml import load_yaml  # noqa: PLC0415

    def check(data: bytes) -> bool:
        text = data.decode("utf-8", "surrogateescape")
        try:
            spec = SweepSpec.from_yaml(text)
            written = spec.to_yaml()
        except CaviarError as error:
            lines = str(error).splitlines()
            assert 1 <= len(lines) <= 22, f"{len(lines)} lines"
            assert max(map(len, lines)) < 2000, f"a line of {max(map(len, lines))} characters"
            return False
        assert SweepSpec.from_yaml(written) == spec, "it does not come back equal"
        fields = load_yaml(text, "the spec")
        assert SweepSpec.parse(override(fields, {"budget.trials": 5})).budget.trials == 5
        return True

    return check


def journal_inputs(folder: Path, chance: random.Random) -> Iterator[bytes]:
    """Journals: mutated bytes, and mutated events whose checksums are right."""
    first = recorded_sweep(folder)
    events = [json.loads(line)["event"] for line in first.splitlines()]
    while True:
        if chance.random() < 0.7:
            yield b"B" + mutated(first, chance)
            continue
        changed = list(events)
        for _ in range(chance.choice([1, 1, 2])):
            at = chance.randrange(len(changed))
            changed[at : at + chance.choice([0, 1, 1, 1])] = [mutated_tree(changed[at], chance)]
        yield b"E" + sealed_lines(changed)


def sealed_lines(events: list[Any]) -> bytes:
    """Events as the lines of a journal, whatever they are."""
    crc, lines = 0, []
    for event in events:
        encoded = json.dumps(event).encode("utf-8", "surrogatepass")
        crc = zlib.crc32(encoded, crc)
        lines.append(b'{"crc32":"%08x","event":%b}\n' % (crc, encoded))
    return b"".join(lines)


def check_journal(folder: Path) -> Check:
    """A journal is refused, or it is the beginning of what was written; replaying it raises nothing of its own."""
    from caviar.scheduler.lifecycle.recorded import load_spec, new_state  # noqa: PLC0415
    from caviar.scheduler.lifecycle.replay import replay  # noqa: PLC0415
    from caviar.scheduler.storage import Journal, read_journal  # noqa: PLC0415
    from caviar.search_spaces import CaviarError  # noqa: PLC0415

    first = recorded_sweep(folder)
    events = [json.loads(line)["event"] for line in first.splitlines()]
    spec = load_spec(folder / "sweep")
    journal = folder / "changed"
    journal.mkdir(exist_ok=True)

    def check(data: bytes) -> bool:
        for path in journal.iterdir():
            path.unlink()
        (journal / "000001.jsonl").write_bytes(data[1:])
        try:
            found = read_journal(journal)
            if data[:1] == b"B":
                assert found == events[: len(found)], "events that nobody wrote were accepted"
                Journal.open(journal).close()
                assert read_journal(journal) == found, "opening the journal changed what it says"
            else:
                replay(found, new_state(spec))
        except CaviarError as error:
            return short(error)
        return True

    return check


def recorded_sweep(folder: Path) -> bytes:
    """A small sweep in `folder/sweep`, run in virtual time; its journal."""
    from caviar.scheduler.execution.interrupts import Interrupts  # noqa: PLC0415
    from caviar.scheduler.execution.loop import SweepLoop  # noqa: PLC0415
    from caviar.scheduler.execution.record import DurableRecord  # noqa: PLC0415
    from caviar.scheduler.execution.simulated import SimulatedExecutor  # noqa: PLC0415
    from caviar.scheduler.lifecycle.proposers import make_proposer  # noqa: PLC0415
    from caviar.scheduler.lifecycle.recorded import new_state  # noqa: PLC0415
    from caviar.scheduler.results import ReportWriter  # noqa: PLC0415
    from caviar.scheduler.spec.spec import SweepSpec  # noqa: PLC0415
    from caviar.scheduler.storage import Journal, SweepDirectory, write_file  # noqa: PLC0415

    directory = SweepDirectory(folder / "sweep")
    if not directory.spec.exists():
        space = {"lr": {"log": [1e-4, 1.0]}, "kind": {"choice": ["a", None]}, "n": {"integer": [1, 9]}}
        fields = {"name": "sweep", "trainer": None, "metric": "loss", "space": space, "resource": {"max": 9}}
        spec = SweepSpec.parse({**fields, "budget": {"trials": 24}, "storage": str(folder)})
        directory.create()
        journal = Journal.open(directory.journal)
        journal.append({"type": "opened", "time": 0.0, "versions": {}})
        types = spec.search_space.value_types
        record = DurableRecord(directory, journal, ReportWriter(directory, types, "loss", "min"), types)
        executor = SimulatedExecutor(_curve, "loss", 2, proposer=make_proposer(spec))
        SweepLoop(new_state(spec), executor, record, Interrupts()).run()
        record.release()
        write_file(directory.spec, spec.to_yaml().encode(), directory.staging)
    return (directory.journal / "000001.jsonl").read_bytes()


def _curve(config: Any, seed: int) -> list[float]:
    return [config["lr"] + 1 / step for step in range(1, 10)]


def parquet_inputs(folder: Path, chance: random.Random) -> Iterator[bytes]:
    """Parquet files of a sweep: mutated, and mutated with a checksum that fits."""
    from caviar.scheduler.results.sealed import seal  # noqa: PLC0415

    recorded_sweep(folder)
    files = [(folder / "sweep" / name).read_bytes() for name in PARQUET]
    while True:
        which = chance.choice([0, 1, 1, 1, 2, 3])
        data = mutated(files[which], chance)
        if chance.random() < 0.5:
            yield b"B%d" % which + data
            continue
        # The old checksum is somewhere among the pages, where it does no harm.
        length = int.from_bytes(data[-8:-4], "little")
        yield b"S%d" % which + (bytes(seal(memoryview(data))) if length < len(data) - 8 else data)


PARQUET = ("results/part-000000.parquet", "results/part-000001.parquet", "trials.parquet", "regions.parquet")


def check_parquet(folder: Path) -> Check:
    """Results are refused, or are those that were written; with a forged checksum they only have to be refused."""
    from caviar.scheduler import Results  # noqa: PLC0415
    from caviar.scheduler.results.rows import trial_rows  # noqa: PLC0415
    from caviar.search_spaces import CaviarError  # noqa: PLC0415

    recorded_sweep(folder)
    good = Results.open(folder / "sweep")
    tables = (good.trials(), good.reports(), good.regions())
    contents = [(folder / "sweep" / name).read_bytes() for name in PARQUET]

    def check(data: bytes) -> bool:
        which = data[1] - ord("0")
        path = folder / "sweep" / PARQUET[which]
        path.write_bytes(data[2:])
        try:
            results = Results.open(folder / "sweep")
            found = (results.trials(), results.reports(), results.regions())
            trial_rows(results)
            _ = (results.best, repr(results))
            if zlib.crc32(data) % 10 == 0:  # DuckDB takes much longer to start than the rest
                results.sql("select * from reports, trials limit 50")
        except CaviarError as error:
            return short(error)
        finally:
            path.write_bytes(contents[which])
        if data[:1] == b"B":
            same = all(mine.equals(written) for mine, written in zip(found, tables, strict=True))
            assert same, "rows that nobody wrote were accepted"
        return True

    return check


TARGETS: dict[str, tuple[Callable[[Path, random.Random], Iterator[bytes]], Callable[[Path], Check]]] = {
    "spec": (spec_inputs, check_spec),
    "journal": (journal_inputs, check_journal),
    "parquet": (parquet_inputs, check_parquet),
}


class TooSlowError(Exception):
    """An input took longer than `LIMIT_S`."""


def _too_slow(*_: object) -> None:
    raise TooSlowError(f"it took longer than {LIMIT_S} s")


def _instrumented() -> AbstractContextManager[None]:
    """Lets the modules of Caviar that are imported meanwhile count which of their lines ran."""
    import atheris  # noqa: PLC0415 an extra, for Linux alone

    instrumented: AbstractContextManager[None] = atheris.instrument_imports(include=["caviar"])
    return instrumented


def run_child(target: str, inputs: int, seed: int, guided: bool, folder: Path) -> None:
    """Runs the inputs in this process; the one that is being read lies in `folder/input`."""
    make_inputs, make_check = TARGETS[target]
    with _instrumented() if guided else nullcontext():
        check = make_check(folder)
    signal.signal(signal.SIGPROF, _too_slow)
    counts = {"inputs": 0, "accepted": 0, "longest_s": 0.0}

    def one(data: bytes) -> None:
        (folder / "input").write_bytes(data)
        signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
        began = time.process_time()
        accepted = check(data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        counts["longest_s"] = max(counts["longest_s"], time.process_time() - began)
        counts["inputs"] += 1
        counts["accepted"] += accepted
        if counts["inputs"] % 100 == 0 or counts["inputs"] == inputs:
            (folder / "counts").write_text(json.dumps(counts))

    stream = make_inputs(folder, random.Random(seed))
    if not guided:
        for _ in range(inputs):
            one(next(stream))
        return
    import atheris  # noqa: PLC0415

    corpus = folder / "corpus"
    corpus.mkdir()
    for number in range(50):
        (corpus / str(number)).write_bytes(next(stream))
    prefix = {"spec": b"", "journal": b"B", "parquet": b"B1"}[target]
    atheris.Setup(
        [sys.argv[0], str(corpus), f"-runs={inputs}", f"-seed={seed + 1}", "-verbosity=0", "-max_len=40000"],
        lambda data: one(data if data[:1] in (b"B", b"S", b"E") and prefix else prefix + data),
    )
    atheris.Fuzz()


def run_target(target: str, inputs: int, seed: int, guided: bool = False) -> dict[str, Any]:
    """Runs a target in a child process and keeps the input that it ended at, if it did not end well."""
    with tempfile.TemporaryDirectory(
        prefix="fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    ) as temp:
        folder = Path(temp)
        command = [sys.executable, "-W", "ignore", __file__, target, "--inputs", str(inputs), "--seed", str(seed)]
        command += ["--child", temp, *(["--atheris"] if guided else [])]
        began = time.monotonic()
        try:
            child = subprocess.run(
                command, capture_output=True, text=True, errors="replace", check=False, timeout=60 + inputs
            )
        except subprocess.TimeoutExpired:
            child = subprocess.CompletedProcess(command, 124, "", "it hangs")
        counts = json.loads((folder / "counts").read_text()) if (folder / "counts").exists() else {"inputs": 0}
        found: dict[str, Any] = {"target": target, "seconds": time.monotonic() - began, **counts, "failure": None}
        if child.returncode:
            kept = Path(tempfile.gettempdir()) / f"caviar-fuzz-{target}-{seed}-{counts['inputs']}"
            if (folder / "input").exists():
                kept.write_bytes((folder / "input").read_bytes())
            found["failure"] = f"exit status {child.returncode}, input kept in {kept}\n{child.stderr[-3000:]}"
        return found


LONG = {"spec": 50_000, "journal": 45_000, "parquet": 10_000}
"""Inputs of the long form."""

_ROUND = 1000


def run_long(report: Path, scale: float) -> bool:
    """Runs the long form in rounds, two at a time, and writes what came of it; whether all went well."""
    rounds = [(target, seed) for seed in range(100) for target in TARGETS if seed * _ROUND < LONG[target] * scale]
    began = time.monotonic()
    found: list[dict[str, Any]] = []
    with ThreadPoolExecutor(2) as threads:
        for done in as_completed([threads.submit(run_target, target, _ROUND, seed) for target, seed in rounds]):
            found.append(done.result())
            report.write_text(_page(found, time.monotonic() - began), encoding="utf-8")
    failures = [f"{one['target']}: {one['failure']}" for one in found if one["failure"] is not None]
    print("\n".join([report.read_text(encoding="utf-8"), *failures]))  # noqa: T201
    return not failures


def _page(found: list[dict[str, Any]], seconds: float) -> str:
    rows = []
    for target in TARGETS:
        mine = [one for one in found if one["target"] == target]
        sums = [sum(one.get(name, 0) for one in mine) for name in ("inputs", "accepted")]
        longest = max((one.get("longest_s", 0.0) for one in mine), default=0.0)
        failed = sum(one["failure"] is not None for one in mine)
        rows.append(f"| {target} | {sums[0]:,} | {sums[1]:,} | {longest:.2f} s | {failed} |")
    total = sum(one["inputs"] for one in found)
    return f"""# Fuzzing

`make fuzz`, {time.strftime("%Y-%m-%d")}, {os.cpu_count()} cores of {platform.machine()},
Python {platform.python_version()}: {total:,} inputs in {seconds:,.0f} s.
What is done with them: [tests/fuzz/harness.py](../../tests/fuzz/harness.py).

| target | inputs | accepted | longest | tracebacks, crashes, hangs, wrong answers |
|---|---|---|---|---|
{chr(10).join(rows)}

An accepted spec came back equal from its YAML. An accepted journal was the beginning of the one that was written, or
one with forged checksums that could be replayed. Accepted Parquet files held the rows that were written, or had
forged checksums.
"""


def main() -> None:
    """Runs what the command line asks for; exits with 1 where an input was not read as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="all if none is named")
    parser.add_argument("--inputs", type=int, default=1000, help="of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true", help="inputs guided by coverage; needs the extra fuzz")
    parser.add_argument("--report", type=Path, help="run the long form, and write its figures to this file")
    parser.add_argument("--scale", type=float, default=1.0, help="of the long form's number of inputs")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return run_child(options.targets[0], options.inputs, options.seed, options.atheris, Path(options.child))
    if options.report:
        sys.exit(not run_long(options.report, options.scale))
    failed = False
    for target in options.targets or TARGETS:
        found = run_target(target, options.inputs, options.seed, options.atheris)
        failed |= found["failure"] is not None
        print(json.dumps(found) if found["failure"] is None else f"{target}: {found['failure']}", flush=True)  # noqa: T201
    sys.exit(failed)


if __name__ == "__main__":
    main()
