SELECT {columns} FROM {snapshot}
WHERE {event_time} >= @window_from{of} AND {event_time} < @window_to{of} AND _drop IN UNNEST(@drops{of})
QUALIFY ROW_NUMBER() OVER (PARTITION BY {row_key} ORDER BY _generation DESC, _drop DESC) = 1
