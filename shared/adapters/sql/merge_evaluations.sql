MERGE {evaluations} AS there
USING (SELECT {fields} FROM UNNEST(JSON_QUERY_ARRAY(@rows)) AS entry) AS mine
ON there.model = mine.model AND there.`drop` = mine.`drop` AND there.generation = mine.generation
  AND there.version = mine.version AND there.metric = mine.metric
  AND IFNULL(there.slice, '') = IFNULL(mine.slice, '')
WHEN MATCHED THEN UPDATE SET {assignments}
WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({values})
