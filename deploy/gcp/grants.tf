# What each component may do: a table for each kind of thing, and one resource that grants what it says. On the thing
# itself wherever that has an access policy; on the project where it has none, as with BigQuery's jobs.
# deploy/gcp/checks/access.py says why each is needed, and compares.

locals {
  # Component = the topics that it publishes to. reconcile publishes what any of them had decided when it died.
  publishes = {
    preprocess      = ["data-prepared", "drop-ignored", "drop-withdrawn", "step-failed"]
    evaluate        = ["model-evaluated", "training-requested", "rollback-requested", "rollback-proposed", "step-failed", "withdrawal-requested"]
    launch_training = ["training-requested", "training-scheduled", "data-prepared", "step-failed"]
    promote         = ["model-decided", "training-requested", "data-prepared", "step-failed", "withdrawal-requested"]
    trainer         = ["model-trained", "training-requested", "data-prepared", "step-failed"]
    reconcile = [
      "data-prepared",
      "drop-ignored",
      "drop-withdrawn",
      "model-evaluated",
      "training-requested",
      "training-scheduled",
      "model-trained",
      "model-decided",
      "rollback-requested",
      "rollback-proposed",
      "withdrawal-requested",
      "step-failed",
      "reconciled",
    ]
  }

  # Bucket = component = role. objectUser reads, writes and deletes objects, and sees no policy.
  bucket_roles = {
    (local.landing) = {
      preprocess = "roles/storage.objectViewer"
      evaluate   = "roles/storage.objectViewer"
    }
    (local.quarantine) = {
      preprocess = "roles/storage.objectUser"
    }
    (local.state) = {
      promote = "roles/storage.objectUser"
      # BigQuery loads in its name, and looks at the bucket first.
      preprocess      = "roles/storage.legacyBucketReader"
      evaluate        = "roles/storage.objectViewer"
      launch_training = "roles/storage.objectViewer"
      predict         = "roles/storage.objectViewer"
      reconcile       = "roles/storage.objectViewer"
      trainer         = "roles/storage.objectViewer"
    }
    (local.artifacts) = {
      mlflow = "roles/storage.objectUser"
    }
    (local.sources) = {
      trainer = "roles/storage.objectViewer"
      builder = "roles/storage.objectViewer"
    }
  }

  # Who works through the ledger writes in the state bucket, but not among the decisions: those are promote's alone.
  ledger_workers = ["preprocess", "evaluate", "launch_training", "reconcile", "trainer"]

  # Component = role on the dataset. Who makes tables, be it for an extract, is an editor.
  dataset_roles = {
    preprocess      = "roles/bigquery.dataEditor"
    evaluate        = "roles/bigquery.dataEditor"
    trainer         = "roles/bigquery.dataEditor"
    launch_training = "roles/bigquery.dataViewer"
    promote         = "roles/bigquery.dataViewer"
    reconcile       = "roles/bigquery.dataViewer"
  }

  # Component = roles on the project, for what belongs to nothing smaller.
  project_roles = {
    preprocess      = ["roles/bigquery.jobUser"]
    evaluate        = ["roles/bigquery.jobUser", "roles/bigquery.readSessionUser"]
    launch_training = ["roles/bigquery.jobUser"]
    promote         = ["roles/bigquery.jobUser"]
    reconcile       = ["roles/bigquery.jobUser"]
    trainer         = ["roles/bigquery.jobUser", "roles/bigquery.readSessionUser"]
    builder         = ["roles/logging.logWriter"]
  }

  # Who talks to MLflow.
  mlflow_clients = ["preprocess", "evaluate", "promote", "predict", "reconcile", "trainer"]

  # Who starts machines, which then are the trainer.
  launchers = ["launch_training", "reconcile"]

  buckets = {
    (local.landing)    = google_storage_bucket.landing.name
    (local.quarantine) = google_storage_bucket.quarantine.name
    (local.state)      = google_storage_bucket.state.name
    (local.artifacts)  = google_storage_bucket.artifacts.name
    (local.sources)    = google_storage_bucket.sources.name
  }
}

resource "google_pubsub_topic_iam_member" "publishers" {
  for_each = merge([
    for component, topics in local.publishes : {
      for topic in topics : "${component}/${topic}" => { component = component, topic = topic }
    }
  ]...)

  topic  = google_pubsub_topic.events[each.value.topic].id
  role   = "roles/pubsub.publisher"
  member = google_service_account.components[each.value.component].member
}

resource "google_storage_bucket_iam_member" "components" {
  for_each = merge([
    for bucket, roles in local.bucket_roles : {
      for component, role in roles : "${bucket}/${component}" => { bucket = bucket, component = component, role = role }
    }
  ]...)

  bucket = local.buckets[each.value.bucket]
  role   = each.value.role
  member = google_service_account.components[each.value.component].member
}

resource "google_storage_bucket_iam_member" "ledger_workers" {
  for_each = toset(local.ledger_workers)

  bucket = google_storage_bucket.state.name
  role   = "roles/storage.objectUser"
  member = google_service_account.components[each.key].member

  condition {
    title      = "all_but_decisions"
    expression = "!resource.name.startsWith(\"projects/_/buckets/${local.state}/objects/decisions/\")"
  }
}

resource "google_bigquery_dataset_iam_member" "components" {
  for_each = local.dataset_roles

  dataset_id = google_bigquery_dataset.tidewheel.dataset_id
  role       = each.value
  member     = google_service_account.components[each.key].member
}

resource "google_project_iam_member" "components" {
  for_each = merge([
    for component, roles in local.project_roles : {
      for role in roles : "${component}/${role}" => { component = component, role = role }
    }
  ]...)

  project = var.project
  role    = each.value.role
  member  = google_service_account.components[each.value.component].member
}

resource "google_cloud_run_v2_service_iam_member" "mlflow_clients" {
  for_each = toset(local.mlflow_clients)

  location = google_cloud_run_v2_service.mlflow.location
  name     = google_cloud_run_v2_service.mlflow.name
  role     = "roles/run.invoker"
  member   = google_service_account.components[each.key].member
}

# A function is called by its own subscriptions, and by nobody else.
resource "google_cloud_run_v2_service_iam_member" "push" {
  for_each = toset(values(local.consumers))

  location = var.region
  name     = google_cloudfunctions2_function.functions[each.key].name
  role     = "roles/run.invoker"
  member   = google_service_account.push[each.key].member
}

resource "google_cloud_run_v2_service_iam_member" "predict_callers" {
  for_each = toset(concat(var.predict_callers, var.operators))

  location = var.region
  name     = google_cloudfunctions2_function.functions["predict"].name
  role     = "roles/run.invoker"
  member   = each.key
}

resource "google_secret_manager_secret_iam_member" "mlflow" {
  secret_id = google_secret_manager_secret.database_password.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.components["mlflow"].member
}
