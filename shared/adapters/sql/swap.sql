-- One drop's rows, rejects and account change together, or not at all. Every value comes from the staged account, since
-- the emulator binds no parameters in a script. Rolled back when a newer generation of the drop stands there.
DECLARE this_model STRING DEFAULT (SELECT model FROM {staged_account});
DECLARE this_drop STRING DEFAULT (SELECT `drop` FROM {staged_account});
DECLARE this_generation INT64 DEFAULT (SELECT generation FROM {staged_account});
DECLARE newest INT64;
DECLARE first_event_time TIMESTAMP;
DECLARE last_event_time TIMESTAMP;
BEGIN TRANSACTION;
SET newest = (
  SELECT MAX(generation) FROM {drops}
  WHERE model = this_model AND `drop` = this_drop AND outcome = 'prepared'
);
IF newest > this_generation THEN
  ROLLBACK TRANSACTION;
ELSE
  -- The span of all that ever stood there under this name: only its partitions are read.
  SET first_event_time = (
    SELECT MIN(first_event) FROM (
      SELECT first_event FROM {staged_account} UNION ALL
      SELECT first_event FROM {drops} WHERE model = this_model AND `drop` = this_drop AND outcome = 'prepared'
    )
  );
  SET last_event_time = (
    SELECT MAX(last_event) FROM (
      SELECT last_event FROM {staged_account} UNION ALL
      SELECT last_event FROM {drops} WHERE model = this_model AND `drop` = this_drop AND outcome = 'prepared'
    )
  );
  DELETE FROM {rows}
  WHERE _drop = this_drop AND {event_time} >= first_event_time AND {event_time} <= last_event_time;
  INSERT INTO {rows} ({columns}) SELECT {columns} FROM {staged_rows};
  DELETE FROM {rejects} WHERE _drop = this_drop AND _generation <= this_generation;
  INSERT INTO {rejects} ({reject_columns}) SELECT {reject_columns} FROM {staged_rejects};
  {merge_account};
  COMMIT TRANSACTION;
END IF;
SELECT newest IS NULL OR newest <= this_generation AS swapped;
