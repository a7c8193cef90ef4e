# The dataset. Its tables are made by the code, so that a new model changes nothing here.
#
# There is no default expiration: rows, accounts and evaluations stay, and so do the snapshots that versions in use were
# trained on. What is short-lived (staging, extracts) is given its end by the code that makes it.

resource "google_bigquery_dataset" "tidewheel" {
  dataset_id                 = var.dataset
  location                   = var.region
  description                = "Rows, rejected rows, accounts, evaluations and the log of every event."
  max_time_travel_hours      = 168
  delete_contents_on_destroy = !var.deletion_protection

  depends_on = [google_project_service.apis]
}
