"""The taxi contract as somebody would write it by hand, once for each engine.

Each reads text, checks type, range and null, reads the clock as New York's, keeps one row of each key, numbers the rows
for hold-out and sample with the engine's own hash, keeps bad rows aside, and writes both as Parquet into a folder. The
two passes of DuckDB do more of what the contract asks: they say of each bad row how it was written and what is wrong
with it, tell copies from rivals, and number the rows as every version would.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

TIME = "%Y-%m-%d %H:%M:%S UTC"
ZONE = "America/New_York"
SPANS = {
    "pickup_longitude": (-74.3, -72.9),
    "pickup_latitude": (40.5, 41.8),
    "dropoff_longitude": (-74.3, -72.9),
    "dropoff_latitude": (40.5, 41.8),
    "passenger_count": (0, 8),
    "fare_amount": (0.01, 500),
}
NUMBERS = 1_000_000
CHECKS = {
    "key is null": "key IS NOT NULL",
    "pickup_datetime is no time from 2009 on": "moment >= TIMESTAMPTZ '2009-01-01'",
    "pickup_datetime is after 2037": "moment < TIMESTAMPTZ '2038-01-01'",
    "passenger_count is not whole": "_passenger_count = floor(_passenger_count)",
    **{
        f"{name} is no number from {low} to {high}": f"_{name} BETWEEN {low} AND {high}"
        for name, (low, high) in SPANS.items()
    },
}


def duckdb(file: Path, into: Path) -> int:
    """The rows that were accepted."""
    import duckdb as engine

    db = engine.connect()
    db.execute(f"CREATE TABLE judged AS SELECT {_values()}, ok FROM ({_judged(file)})")
    rows = f"SELECT *, hash(key, 1) % {NUMBERS} AS _holdout, hash(key, 2) % {NUMBERS} AS _sample FROM judged WHERE ok"
    rows += " QUALIFY row_number() OVER (PARTITION BY key) = 1"
    db.execute(f"COPY ({rows}) TO '{into / 'rows.parquet'}'")
    db.execute(f"COPY (FROM judged WHERE NOT ok) TO '{into / 'rejects.parquet'}'")
    return _rows(into)


def duckdb_two_passes(file: Path, into: Path) -> int:
    """The rows that were accepted, in bounded memory: hashes of keys first, then the stream, parted into three."""
    import duckdb as engine

    db = engine.connect(config={"memory_limit": "400MB", "temp_directory": str(into)})
    db.execute("SET TimeZone = 'UTC'")
    again = f"SELECT h FROM (SELECT hash(key) AS h FROM {_source(file)}) GROUP BY h HAVING count(*) > 1"
    db.execute(f"CREATE TABLE again AS {again}")
    part = "CASE WHEN NOT ok THEN 'rejects' WHEN hash(key) IN (FROM again) THEN 'again' ELSE 'rows' END AS part"
    parted = f"SELECT {_values()}, {_own()}, {_faults()}, {part} FROM ({_judged(file)})"
    db.execute(f"COPY ({parted}) TO '{into}' (FORMAT parquet, PARTITION_BY (part), OVERWRITE_OR_IGNORE)")
    rows = into / "part=rows"
    if list(into.glob("part=again/*")):
        # Copies count once; two rows that claim one key and say different things count not at all.
        once = f"SELECT * FROM (SELECT DISTINCT * FROM '{into}/part=again/*.parquet')"
        once += " QUALIFY count(*) OVER (PARTITION BY key) = 1"
        db.execute(f"COPY ({once}) TO '{rows / 'again.parquet'}' (FORMAT parquet)")
    return sum(map(_count, rows.glob("*")))


def _own() -> str:
    digest = "md5_number('salt' || key)"
    halves = {"_holdout": f"{digest} & 18446744073709551615", "_sample": f"{digest} >> 64"}
    own = ", ".join(f"CAST({half} AS UBIGINT) % {NUMBERS} AS {name}" for name, half in halves.items())
    return f"'drop' AS _drop, 1 AS _generation, {own}"


def _faults() -> str:
    """How a bad row was written, and what is wrong with it."""
    wrong = ", ".join(
        f"CASE WHEN coalesce({check}, false) THEN NULL ELSE '{fault}' END" for fault, check in CHECKS.items()
    )
    written = f"concat_ws(',', key, pickup_datetime, {', '.join(SPANS)})"
    return f"CASE WHEN NOT ok THEN {written} END AS raw, CASE WHEN NOT ok THEN concat_ws('; ', {wrong}) END AS reason"


def _values() -> str:
    return f"key, moment AS pickup_datetime, {', '.join(f'_{name} AS {name}' for name in SPANS)}"


def _source(file: Path) -> str:
    read = f"read_csv('{file}', all_varchar = true, header = true)"
    return read if file.suffix == ".csv" else f"read_parquet('{file}')"


def _judged(file: Path) -> str:
    numbers = ", ".join(f"TRY_CAST({name} AS DOUBLE) AS _{name}" for name in SPANS)
    at = f"try_strptime(pickup_datetime, '{TIME}') AT TIME ZONE '{ZONE}' AS moment"
    ok = f"coalesce({' AND '.join(CHECKS.values())}, false) AS ok"
    return f"SELECT *, {ok} FROM (SELECT *, {at}, {numbers} FROM {_source(file)})"


def pandas(file: Path, into: Path) -> int:
    """The rows that were accepted."""
    import pandas as engine

    rows = engine.read_csv(file, dtype=str) if file.suffix == ".csv" else engine.read_parquet(file)
    times = engine.to_datetime(rows["pickup_datetime"], format=TIME, errors="coerce")
    rows["pickup_datetime"] = times.dt.tz_localize(ZONE).dt.tz_convert("UTC")
    good = rows["key"].notna() & rows["pickup_datetime"].notna()
    for name, (least, most) in SPANS.items():
        rows[name] = engine.to_numeric(rows[name], errors="coerce")
        good &= rows[name].between(least, most)
    accepted: Any = rows[good].drop_duplicates("key")
    hashed = engine.util.hash_pandas_object(accepted["key"], index=False)
    accepted.assign(_holdout=hashed % NUMBERS, _sample=hashed // NUMBERS % NUMBERS).to_parquet(into / "rows.parquet")
    rows[~good].to_parquet(into / "rejects.parquet")
    return len(accepted)


def polars(file: Path, into: Path) -> int:
    """The rows that were accepted."""
    import polars as engine

    col = engine.col
    rows = engine.scan_csv(file, infer_schema=False) if file.suffix == ".csv" else engine.scan_parquet(file)
    at = (
        col("pickup_datetime")
        .str.to_datetime(TIME, strict=False)
        .dt.replace_time_zone(ZONE)
        .dt.convert_time_zone("UTC")
    )
    rows = rows.with_columns(at, *(col(name).cast(engine.Float64, strict=False) for name in SPANS))
    inside = [col(name).is_between(least, most).fill_null(False) for name, (least, most) in SPANS.items()]
    good = engine.all_horizontal(col("key").is_not_null(), col("pickup_datetime").is_not_null(), *inside)
    accepted = rows.filter(good).unique("key", keep="any")
    hashes = [(col("key").hash(seed) % NUMBERS).alias(name) for seed, name in enumerate(("_holdout", "_sample"))]
    accepted.with_columns(hashes).sink_parquet(into / "rows.parquet")
    rows.filter(~good).sink_parquet(into / "rejects.parquet")
    return _rows(into)


def _rows(into: Path) -> int:
    return _count(into / "rows.parquet")


def _count(file: Path) -> int:
    from pyarrow import parquet

    return int(parquet.read_metadata(file).num_rows)


ENGINES = {"duckdb_two_passes": duckdb_two_passes, "duckdb": duckdb, "polars": polars, "pandas": pandas}
