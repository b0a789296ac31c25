"""The preview of a resumed sweep, on standard output."""

from dataclasses import asdict
from typing import Any

from ...analysis.preview import ResumePreview
from ...core.controllers.schedule import Plan
from ...lifecycle.edits import FieldEdit
from ...spec.spec import SweepSpec
from .brackets import plan_table
from .console import plural, print_json, results_console, show_duration, show_value


def edit_words(edit: FieldEdit) -> str:
    """One field that changed, in one line."""
    return f"{edit.field}  {_value(edit.old)} -> {_value(edit.new)}"


def print_preview(spec: SweepSpec, preview: ResumePreview, *, json: bool) -> None:
    """Prints a preview, for people or as JSON."""
    if json:
        print_json(_as_dict(spec, preview))
        return
    out, unit = results_console(), spec.resource.unit
    for edit in preview.edits:
        out.print(f"edited    {edit_words(edit)}")
    if not preview.edits:
        out.print("edited    nothing")
    out.print(f"trials    {preview.done:,} done, {preview.pending:,} pending, {_to_come(preview)}")
    if preview.brackets is None:
        out.print(f"to spend  {unit}s until {spec.budget.hours:g} h are over")
        return
    out.print(f"to spend  {plural(preview.resource or 0, unit)} at most{_time(spec, preview)}")
    if preview.brackets:
        out.print()
        out.print(plan_table(Plan(tuple(preview.brackets), spec.search.resource), preview.opened))


def _to_come(preview: ResumePreview) -> str:
    return "others to come" if preview.to_come is None else f"{preview.to_come:,} to come"


def _time(spec: SweepSpec, preview: ResumePreview) -> str:
    if preview.seconds is None or preview.step_seconds is None:
        return ""
    means = f"{plural(spec.worker_count or 1, 'worker')}, {preview.step_seconds:.3g} s per {spec.resource.unit}"
    return f", about {show_duration(preview.seconds)} ({means})"


def _value(value: Any) -> str:
    return "none" if value is None else show_value(value)


def _as_dict(spec: SweepSpec, preview: ResumePreview) -> dict[str, Any]:
    brackets = preview.brackets
    return {
        "edits": [asdict(edit) for edit in preview.edits],
        "states": dict(preview.states),
        "done": preview.done,
        "pending": preview.pending,
        "to_come": preview.to_come,
        "unit": spec.resource.unit,
        "resource": preview.resource,
        "workers": spec.worker_count or 1,
        "step_seconds": preview.step_seconds,
        "seconds": preview.seconds,
        "brackets": None if brackets is None else [asdict(plan) | {"resource": plan.cost} for plan in brackets],
    }
