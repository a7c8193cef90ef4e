-- The groups of each drop's rows. A column may have as many values as there are rows: no more are told than count.
SELECT _drop, `group`
FROM (
  SELECT DISTINCT _drop, {group} AS `group` FROM {table}
  WHERE _drop IN UNNEST(@drops) AND {event_time} >= @earliest AND {event_time} <= @latest AND _holdout < {below}
)
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY _drop ORDER BY `group`) <= @most
