# Every event of every topic, written into a table by Pub/Sub itself, off the way of the work.
# A message that cannot be written is tried again for a week and holds nothing up; the alert "messages wait" tells of it.

resource "google_pubsub_subscription" "log" {
  # The reconciler's ticks would bury what happened.
  for_each = setsubtract(local.topics, ["reconcile-requested"])

  name                       = "log-${each.key}"
  topic                      = google_pubsub_topic.events[each.key].id
  ack_deadline_seconds       = 60
  message_retention_duration = local.kept

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  bigquery_config {
    table = "${var.project}.${google_bigquery_dataset.tidewheel.dataset_id}.${google_bigquery_table.lifecycle_log.table_id}"
    # No schema: what was published by hand, and is no JSON, is written, too.
    write_metadata = true
  }

  depends_on = [google_bigquery_table_iam_member.log_writer]
}

# As LOG in shared/adapters/warehouse_tables.py has it. The one table that Terraform makes: a subscription wants it there.
resource "google_bigquery_table" "lifecycle_log" {
  dataset_id          = google_bigquery_dataset.tidewheel.dataset_id
  table_id            = "lifecycle_log"
  description         = "Every message of every topic, as Pub/Sub has written it. One may be there twice: its id tells."
  deletion_protection = var.deletion_protection

  time_partitioning {
    type          = "DAY"
    field         = "publish_time"
    expiration_ms = var.log_days * 24 * 60 * 60 * 1000
  }

  schema = jsonencode([
    { name = "subscription_name", type = "STRING", mode = "NULLABLE" },
    { name = "message_id", type = "STRING", mode = "NULLABLE" },
    { name = "publish_time", type = "TIMESTAMP", mode = "NULLABLE" },
    { name = "data", type = "STRING", mode = "NULLABLE" },
    { name = "attributes", type = "STRING", mode = "NULLABLE" },
  ])
}

resource "google_bigquery_table_iam_member" "log_writer" {
  dataset_id = google_bigquery_table.lifecycle_log.dataset_id
  table_id   = google_bigquery_table.lifecycle_log.table_id
  role       = "roles/bigquery.dataEditor"
  member     = local.pubsub_agent
}
