"""Modules that documents named by the places that they had in an earlier release."""

EARLIER_NAMES = {
    "importance": "analysis.importance",
    "jobs": "remote",
    "jobs.fetching": "remote.fetch",
    "jobs.following": "remote.log_stream",
    "planning": "analysis.plan",
    "preflight": "doctor.cluster",
    "results.page": "analysis.page.page",
    "spec_schema": "spec.json_schema",
    "starter": "spec.starter",
    "status": "analysis.status",
    "stopping": "lifecycle.stop",
    "validation": "lifecycle.validate",
}
"""The place of each by now, below this package."""
