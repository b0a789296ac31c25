"""Connections to object stores, and what their errors mean."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ..errors import ObjectStoreError, SweepError

S3_OPTIONS = ("region", "endpoint_override", "scheme", "force_virtual_addressing", "tls_ca_file_path")
GS_OPTIONS = ("endpoint_override", "scheme", "project_id", "anonymous")
OPTIONS: Mapping[str, tuple[str, ...]] = {"s3": S3_OPTIONS, "gs": GS_OPTIONS}
"""Options that may stand in the query of a URI, by its scheme."""

_ATTEMPTS = 4
"""Together with the pauses between them, that is two to four seconds where a store refuses connections."""
_CONNECT_S = 5.0
_REQUEST_S = 20.0
_DENIED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|EXPIRED_TOKEN|InvalidToken|InvalidAccessKeyId"
    r"|SignatureDoesNotMatch|ExpiredToken|HTTP status 40[13]|PERMISSION_DENIED|UNAUTHENTICATED",
    re.IGNORECASE,
)
_NO_BUCKET = re.compile(r"NO_SUCH_BUCKET|NoSuchBucket|specified bucket does not exist", re.IGNORECASE)
_KEYS_IN = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
}


@cache
def open_filesystem(scheme: str, bucket: str, query: str, process: int) -> Any:
    """The filesystem of pyarrow for a bucket; one a process, since connections do not survive a fork.

    Args:
        scheme: "s3" or "gs".
        bucket: The bucket.
        query: The options of the URI.
        process: This process's number.
    """
    options = dict(parse_qsl(query))
    return _open_s3(bucket, options) if scheme == "s3" else _open_gs(bucket, options)


def _open_s3(bucket: str, options: Mapping[str, str]) -> Any:
    from pyarrow import fs  # noqa: PLC0415 a sweep on the disk need not wait for it

    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "")
    override = options.get("endpoint_override") or f"{endpoint.netloc}{endpoint.path.rstrip('/')}"
    region = options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region is None:
        with explained(f"s3://{bucket}", bucket):
            region = "us-east-1" if override else fs.resolve_s3_region(bucket)
    return fs.S3FileSystem(
        region=region,
        scheme=options.get("scheme") or endpoint.scheme or "https",
        endpoint_override=override or None,
        force_virtual_addressing=options.get("force_virtual_addressing") == "true",
        tls_ca_file_path=options.get("tls_ca_file_path"),
        allow_delayed_open=True,  # a small object is one request then
        connect_timeout=_CONNECT_S,
        request_timeout=_REQUEST_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )


def _open_gs(bucket: str, options: Mapping[str, str]) -> Any:
    from datetime import timedelta  # noqa: PLC0415

    from pyarrow import fs  # noqa: PLC0415 a sweep on the disk need not wait for it

    return fs.GcsFileSystem(
        anonymous=options.get("anonymous") == "true",
        endpoint_override=options.get("endpoint_override"),
        scheme=options.get("scheme", "https"),
        project_id=options.get("project_id"),
        retry_time_limit=timedelta(seconds=_REQUEST_S),
    )


@contextmanager
def explained(uri: str, bucket: str) -> Iterator[None]:
    """Says what an error of an object store means; that there is no such object passes through.

    Raises:
        SweepError: There is no such bucket, or access is denied.
        ObjectStoreError: Anything else.
        FileNotFoundError: There is no such object.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _explain(uri, bucket, " ".join(str(error).split())) from error


def _explain(uri: str, bucket: str, text: str) -> SweepError:
    if _NO_BUCKET.search(text):
        return SweepError(f"{uri}: there is no bucket {bucket}; make it, or name another one.")
    if _DENIED.search(text):
        keys = _KEYS_IN[uri.partition(":")[0]]
        return SweepError(f"{uri}: access is denied; check the permissions and the credentials in {keys} ({text}).")
    reason = re.sub(r"^.*Details: ", "", text) if "NETWORK_CONNECTION" in text else text
    reason = re.sub(r" error_info=\{.*", "", reason)
    return ObjectStoreError(uri, f"the object store does not answer as it should ({reason})")
