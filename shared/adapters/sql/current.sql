SELECT {columns} FROM {rows} AS r
WHERE {event_time} >= from_time AND {event_time} < to_time
  AND NOT EXISTS (
    SELECT 1 FROM {drops} AS d
    WHERE d.model = '{model}' AND d.`drop` = r._drop AND d.generation = r._generation AND d.withdrawn
  )
QUALIFY ROW_NUMBER() OVER (PARTITION BY {row_key} ORDER BY _generation DESC, _drop DESC) = 1
