-- The digest does not depend on the order of rows, nor on which file brought them. MD5, since the emulator computes
-- FARM_FINGERPRINT fifty times slower; 15 hexadecimal digits are what fits an INT64.
SELECT
  COUNT(*) AS total,
  COUNTIF(_holdout >= {first_trained}) AS trainable,
  MIN({event_time}) AS first_event,
  MAX({event_time}) AS last_event,
  IFNULL(BIT_XOR(
    CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(TO_JSON_STRING(STRUCT({digested})))), 1, 15)) AS INT64)
  ), 0) AS digest
FROM ({pinned})
