SELECT DISTINCT r._drop AS name, r._generation AS generation
FROM {snapshot} AS r
WHERE r.{event_time} >= @window_from AND r.{event_time} < @window_to
  AND NOT EXISTS (
    SELECT 1 FROM {drops} AS d
    WHERE d.model = @model AND d.`drop` = r._drop AND d.generation = r._generation AND d.withdrawn
  )
ORDER BY generation, name
