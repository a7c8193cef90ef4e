-- A refused generation leaves the rows of an earlier good one where they are: only its account and rejects are written.
DECLARE this_drop STRING DEFAULT (SELECT `drop` FROM {staged_account});
DECLARE this_generation INT64 DEFAULT (SELECT generation FROM {staged_account});
BEGIN TRANSACTION;
DELETE FROM {rejects} WHERE _drop = this_drop AND _generation = this_generation;
INSERT INTO {rejects} ({reject_columns}) SELECT {reject_columns} FROM {staged_rejects};
{merge_account};
COMMIT TRANSACTION;
