MERGE {drops} AS there USING {staged_account} AS mine
ON there.model = mine.model AND there.`drop` = mine.`drop` AND there.generation = mine.generation
WHEN MATCHED THEN UPDATE SET {assignments}
WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({values})
