# The clock: it publishes, as anybody could, and knows neither functions nor models.

resource "google_cloud_scheduler_job" "retraining" {
  name        = "tidewheel-retraining"
  description = "Asks for a challenger of every model that has rows."
  region      = var.region
  schedule    = var.retraining_schedule
  time_zone   = "Etc/UTC"

  pubsub_target {
    topic_name = google_pubsub_topic.events["retraining-requested"].id
    data       = base64encode("{}")
  }

  retry_config {
    retry_count = 5
  }
}

resource "google_cloud_scheduler_job" "reconcile" {
  name        = "tidewheel-reconcile"
  description = "Asks whether anything has got stuck."
  region      = var.region
  schedule    = var.reconcile_schedule
  time_zone   = "Etc/UTC"

  # The next tick asks again anyhow.
  pubsub_target {
    topic_name = google_pubsub_topic.events["reconcile-requested"].id
    data       = base64encode("{}")
  }
}

resource "google_cloud_scheduler_job" "pruning" {
  name        = "tidewheel-pruning"
  description = "Asks for the end of table snapshots that are old and needed by nobody."
  region      = var.region
  schedule    = var.pruning_schedule
  time_zone   = "Etc/UTC"

  pubsub_target {
    topic_name = google_pubsub_topic.events["reconcile-requested"].id
    data       = base64encode(jsonencode({ snapshot_days = var.snapshot_days }))
  }

  retry_config {
    retry_count = 5
  }
}
