# The dataset. Its tables are made by the code, so that a new model changes nothing here.
#
# There is no default expiration: rows, accounts and evaluations stay, and so do the snapshots that versions in use were
# trained on; the reconciler deletes others when they are old (schedule.tf). What is short-lived (staging, extracts) is
# given its end by the code that makes it.

resource "google_bigquery_dataset" "tidewheel" {
  dataset_id                 = var.dataset
  location                   = var.region
  description                = "Rows, rejected rows, accounts, evaluations and the log of every event."
  max_time_travel_hours      = 168
  delete_contents_on_destroy = !var.deletion_protection

  depends_on = [google_project_service.apis]
}

# The dataset's readers may not delete snapshots, and its editors may not either: this may do that, and nothing else.
resource "google_project_iam_custom_role" "pruner" {
  role_id     = "tidewheelPruner"
  title       = "Tidewheel: deletes table snapshots"
  description = "For the reconciler, which deletes the rows of trainings that nobody needs any more."
  permissions = ["bigquery.tables.deleteSnapshot"]

  depends_on = [google_project_service.apis]
}

resource "google_bigquery_dataset_iam_member" "pruner" {
  dataset_id = google_bigquery_dataset.tidewheel.dataset_id
  role       = google_project_iam_custom_role.pruner.id
  member     = google_service_account.components["reconcile"].member
}
