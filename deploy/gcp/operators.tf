# What people need for the command `tidewheel`. Whoever may publish a request may have production changed: name few.

locals {
  # Role on a bucket = what for.
  operator_buckets = {
    (local.landing)    = "roles/storage.objectUser"
    (local.quarantine) = "roles/storage.objectViewer"
    (local.state)      = "roles/storage.objectViewer"
  }
  # The last one: their requests are counted on this project, whose quota they use.
  operator_roles = [
    "roles/bigquery.jobUser",
    "roles/logging.viewer",
    "roles/monitoring.viewer",
    "roles/serviceusage.serviceUsageConsumer",
  ]
}

# Every topic that something reacts to: dead letters are sent again to any of them, and a replay is a message to the first.
resource "google_pubsub_topic_iam_member" "operators" {
  for_each = {
    for pair in setproduct(keys(local.consumers), var.operators) : "${pair[0]}/${pair[1]}" => { topic = pair[0], member = pair[1] }
  }

  topic  = google_pubsub_topic.events[each.value.topic].id
  role   = "roles/pubsub.publisher"
  member = each.value.member
}

resource "google_pubsub_subscription_iam_member" "operators" {
  for_each = toset(var.operators)

  subscription = google_pubsub_subscription.dead_letters.id
  role         = "roles/pubsub.subscriber"
  member       = each.key
}

resource "google_storage_bucket_iam_member" "operators" {
  for_each = {
    for pair in setproduct(keys(local.operator_buckets), var.operators) : "${pair[0]}/${pair[1]}" => { bucket = pair[0], member = pair[1] }
  }

  bucket = local.buckets[each.value.bucket]
  role   = local.operator_buckets[each.value.bucket]
  member = each.value.member
}

resource "google_bigquery_dataset_iam_member" "operators" {
  for_each = toset(var.operators)

  dataset_id = google_bigquery_dataset.tidewheel.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.key
}

resource "google_project_iam_member" "operators" {
  for_each = {
    for pair in setproduct(local.operator_roles, var.operators) :
    "${pair[0]}/${pair[1]}" => { role = pair[0], member = pair[1] }
  }

  project = var.project
  role    = each.value.role
  member  = each.value.member

  depends_on = [google_project_service.apis]
}

# Besides asking MLflow: `gcloud run services proxy` looks up the service's address first, which takes a viewer.
resource "google_cloud_run_v2_service_iam_member" "operators" {
  for_each = {
    for pair in setproduct(["roles/run.invoker", "roles/run.viewer"], var.operators) :
    "${pair[0]}/${pair[1]}" => { role = pair[0], member = pair[1] }
  }

  location = google_cloud_run_v2_service.mlflow.location
  name     = google_cloud_run_v2_service.mlflow.name
  role     = each.value.role
  member   = each.value.member
}

# Who has put which file into which bucket, people as well as components. (Pub/Sub writes no such log of messages.)
resource "google_project_iam_audit_config" "storage" {
  project = var.project
  service = "storage.googleapis.com"

  audit_log_config {
    log_type = "DATA_WRITE"
    # The ledger's heartbeats would be most of it, and say nothing that the ledger does not.
    exempted_members = [for component in ["preprocess", "evaluate", "launch_training", "promote", "reconcile", "trainer"] : google_service_account.components[component].member]
  }
}
