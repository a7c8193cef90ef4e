# One topic for each kind of event; the names are those of shared/lifecycle/events.py.

locals {
  topics = [
    "drop-received",
    "drop-ignored",
    "data-prepared",
    "model-evaluated",
    "training-requested",
    "retraining-requested",
    "training-scheduled",
    "model-trained",
    "rollback-requested",
    "promotion-requested",
    "approval-given",
    "pause-requested",
    "resume-requested",
    "withdrawal-requested",
    "drop-withdrawn",
    "model-decided",
    "rollback-proposed",
    "step-failed",
    "reconcile-requested",
    "reconciled",
  ]

  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic" "events" {
  for_each = toset(local.topics)

  name = each.key

  # Messages name drops and say why versions were chosen: they stay where the data is.
  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.apis]
}

# What no attempt could handle.
resource "google_pubsub_topic" "dead_letters" {
  name = "dead-letters"

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.apis]
}

# The landing bucket says itself that a file is there; Cloud Storage may say it twice.
resource "google_storage_notification" "drops" {
  bucket         = google_storage_bucket.landing.name
  topic          = google_pubsub_topic.events["drop-received"].id
  payload_format = "JSON_API_V1"
  event_types    = ["OBJECT_FINALIZE"]

  depends_on = [google_pubsub_topic_iam_member.bucket]
}

data "google_storage_project_service_account" "this" {
  depends_on = [google_project_service.apis]
}

resource "google_pubsub_topic_iam_member" "bucket" {
  topic  = google_pubsub_topic.events["drop-received"].id
  role   = "roles/pubsub.publisher"
  member = data.google_storage_project_service_account.this.member
}
