SELECT {columns} FROM {snapshot}
WHERE {event_time} >= @window_from AND {event_time} < @window_to AND _drop IN UNNEST(@drops)
QUALIFY ROW_NUMBER() OVER (PARTITION BY _row_key ORDER BY _generation DESC, _drop DESC) = 1
