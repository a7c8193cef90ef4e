"""How this project talks to BigQuery: one lazy client, parameters by value, errors that say which fate they have."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import PassingError, PermanentError
from shared.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from google.cloud import bigquery
    from google.cloud.bigquery_storage import BigQueryReadClient

SQL = Path(__file__).parent / "sql"
STAGING_HOURS = 6
# A query that would read more than this is a mistake: it fails before it costs anything.
MAX_BYTES_BILLED = 10**12
RETRY_SECONDS = 20.0
READERS = 4
# Longer than a model's name, and `_drop` is one too.
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,199}")
_TYPES = {bool: "BOOL", int: "INT64", float: "FLOAT64", str: "STRING", datetime: "TIMESTAMP"}
# BigQuery reports these as the caller's fault (400, 403), but another attempt succeeds.
_PASSING_WORDS = ("concurrent update", "could not serialize", "transaction is aborted", "ratelimitexceeded")


def identifier(name: str) -> str:
    """A name as it is, once it is known to be harmless in SQL."""
    if not _NAME.fullmatch(name):
        raise PermanentError(f'"{name}" cannot be a name in BigQuery.', "Use a-z, 0-9 and _, starting with a letter.")
    return name


def statement(name: str, **names: str) -> str:
    """The text of `sql/<name>.sql` with identifiers put in; values never come this way."""
    return (SQL / f"{name}.sql").read_text().format(**names)


@contextmanager
def passing() -> Iterator[None]:
    """Turns what BigQuery says of conflicts, quotas and outages into a PassingError; everything else stays as it is.

    Raises:
        PassingError: the same work will succeed later.
    """
    import requests
    from google.api_core import exceptions as google

    waits = (google.Conflict, google.TooManyRequests, google.ServerError, google.RetryError, requests.ConnectionError)
    try:
        yield
    except waits as error:
        raise PassingError(f"the warehouse is not ready: {error}") from error
    except (google.BadRequest, google.Forbidden) as error:
        if any(word in str(error).lower() for word in _PASSING_WORDS):
            raise PassingError(f"the warehouse reports a conflict: {error}") from error
        raise


class BigQuery:
    """The dataset of one project. The client is made when it is first needed; a cold start does not pay for it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def client(self) -> bigquery.Client:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import bigquery

        return bigquery.Client(
            project=self._settings.project,
            location=self._settings.location,
            credentials=AnonymousCredentials() if self._emulated else None,
            default_query_job_config=bigquery.QueryJobConfig(maximum_bytes_billed=MAX_BYTES_BILLED),
        )

    @cached_property
    def _reader(self) -> BigQueryReadClient | None:
        """Reads tables as Arrow; None where only the REST interface of an emulator is known."""
        from google.cloud.bigquery_storage import BigQueryReadClient

        host = self._settings.bigquery_storage_host
        if not host:
            return None if self._emulated else BigQueryReadClient()
        import grpc
        from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

        # The emulator sends more at once than gRPC takes by default.
        channel = grpc.insecure_channel(host, options=[("grpc.max_receive_message_length", -1)])
        return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))

    @property
    def _emulated(self) -> bool:
        return bool(os.environ.get("BIGQUERY_EMULATOR_HOST"))

    def path(self, table: str) -> str:
        """A table's name for the client's methods."""
        return f"{self._settings.project}.{self._settings.dataset}.{identifier(table)}"

    def name(self, table: str) -> str:
        """A table's name for SQL."""
        # Each part in its own quotes: the emulator knows snapshots in this form only.
        return f"`{self._settings.project}`.`{self._settings.dataset}`.`{identifier(table)}`"

    def run(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """Run a statement or script to its end and return the last one's rows; `values` are its query parameters."""
        return list(self.stream(sql, **values))

    def stream(self, sql: str, **values: Any) -> Iterator[dict[str, Any]]:
        """As `run`, but the rows come page by page, for as long as they are asked for."""
        from google.cloud.bigquery import QueryJobConfig
        from google.cloud.bigquery.retry import DEFAULT_RETRY

        config = QueryJobConfig(query_parameters=[_parameter(name, value) for name, value in values.items()])
        retry = DEFAULT_RETRY.with_timeout(RETRY_SECONDS)
        with passing():
            # Not query_and_wait: with the emulator it takes a failed query for an empty answer.
            job = self.client.query(sql, job_config=config, retry=retry, job_retry=None)
            yield from (dict(row.items()) for row in job.result(retry=retry, job_retry=None))

    def fetch(self, sql: str, **values: Any) -> pa.Table:
        """The rows of a SELECT as Arrow, in no order, by way of a short-lived table.

        An emulated Storage Read serves tables but no query results, and ten times faster than REST. A real query writes
        its result to a table anyhow, so one way serves both.
        """
        table = f"extract_{uuid.uuid4().hex}"
        create = f"CREATE TABLE {self.name(table)} {self.expiring} AS {sql}"
        try:
            self.run(create, **values)
            with passing():
                return self._read(table)
        finally:
            self.drop(table)

    def _read(self, table: str) -> pa.Table:
        if self._reader is None:
            return self.client.list_rows(self.path(table)).to_arrow(create_bqstorage_client=False)
        import pyarrow as pa
        from google.cloud.bigquery_storage import DataFormat, ReadSession

        path = f"projects/{self._settings.project}/datasets/{self._settings.dataset}/tables/{table}"
        wanted = ReadSession(table=path, data_format=DataFormat.ARROW)
        session = self._reader.create_read_session(parent=f"projects/{self._settings.project}", read_session=wanted)
        schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
        read = partial(_read_stream, self._reader, schema)
        # Not the client's own list_rows(...).to_arrow(): that looks for what came in only every 0.2 s.
        with ThreadPoolExecutor(max_workers=READERS) as threads:
            parts = list(threads.map(read, (stream.name for stream in session.streams)))
        return pa.Table.from_batches([batch for part in parts for batch in part], schema)

    @property
    def expiring(self) -> str:
        """The clause that lets a forgotten table go by itself."""
        return f"OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL {STAGING_HOURS} HOUR))"

    def drop(self, *tables: str) -> None:
        """Delete tables that may be there, all at once."""
        delete = partial(self.client.delete_table, not_found_ok=True)
        with passing(), ThreadPoolExecutor() as threads:
            list(threads.map(delete, map(self.path, tables)))


def _read_stream(reader: BigQueryReadClient, schema: pa.Schema, name: str) -> list[pa.RecordBatch]:
    import pyarrow as pa

    parts = (answer.arrow_record_batch.serialized_record_batch for answer in reader.read_rows(name))
    return [pa.ipc.read_record_batch(pa.py_buffer(part), schema) for part in parts]


def _parameter(name: str, value: Any) -> bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter:
    from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

    if isinstance(value, list):
        return ArrayQueryParameter(name, "STRING", value)
    return ScalarQueryParameter(name, _TYPES.get(type(value), "STRING"), value)
