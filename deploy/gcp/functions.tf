# The functions. Each is called over HTTP by its own subscriptions (subscriptions.tf), predict by whom variables name.

locals {
  # memory holds the file system, too. Requests at a time are threads; who computes takes one. With MLflow's two instances
  # all of them at once stay within what Cloud Run lends a new project: 20 CPUs and 40 GiB in a region. Cloud Run refuses a
  # service that could take more than that by itself, and turns requests away while all together take it.
  functions = {
    # Ten million rows take 1.0 GB as text, which is read in ranges, and 1.2 GB as Parquet, which lies in memory.
    preprocess = { memory = "2Gi", cpu = "2", requests = 1, most_instances = 3 }
    # Reads one drop, and the champion with scikit-learn.
    evaluate        = { memory = "2Gi", cpu = "1", requests = 1, most_instances = 4 }
    launch_training = { memory = "512Mi", cpu = "1", requests = 4, most_instances = 1 }
    # MLflow's client.
    promote   = { memory = "1Gi", cpu = "1", requests = 1, most_instances = 2 }
    reconcile = { memory = "1Gi", cpu = "1", requests = 1, most_instances = 1 }
    # Up to eight versions stay loaded.
    predict = { memory = "2Gi", cpu = "1", requests = 8, most_instances = 2 }
  }

  # What `python -m deploy.gcp.package` has written: an unchanged function keeps its name, and is not deployed again.
  packages = "${path.module}/../../build/gcp"
  manifest = jsondecode(file("${local.packages}/manifest.json"))

  mlflow_url = "https://${local.mlflow_host}"

  # What shared/settings.py reads, everywhere.
  settings = {
    GOOGLE_CLOUD_PROJECT        = var.project
    TIDEWHEEL_LOCATION          = var.region
    TIDEWHEEL_DATASET           = google_bigquery_dataset.tidewheel.dataset_id
    TIDEWHEEL_LANDING_BUCKET    = google_storage_bucket.landing.name
    TIDEWHEEL_QUARANTINE_BUCKET = google_storage_bucket.quarantine.name
    TIDEWHEEL_STATE_BUCKET      = google_storage_bucket.state.name
  }
  settings_of_mlflow_clients = {
    MLFLOW_TRACKING_URI      = local.mlflow_url
    MLFLOW_TRACKING_AUTH     = "tidewheel"
    MLFLOW_DISABLE_TELEMETRY = "true"
    DO_NOT_TRACK             = "true"
    OMP_WAIT_POLICY          = "passive"
  }
  settings_of_launchers = {
    TIDEWHEEL_MACHINE_TEMPLATE          = google_compute_instance_template.training.id
    TIDEWHEEL_ZONES                     = join(",", local.zones)
    TIDEWHEEL_MOST_MACHINES             = tostring(var.most_machines)
    TIDEWHEEL_SPOT_STARTS               = tostring(var.spot_starts)
    TIDEWHEEL_TRAINING_DEADLINE_SECONDS = tostring(var.training_deadline_seconds)
  }
}

resource "google_storage_bucket_object" "functions" {
  for_each = local.functions

  bucket = google_storage_bucket.sources.name
  name   = "${each.key}-${substr(local.manifest.functions[each.key].sha256, 0, 16)}.zip"
  source = "${local.packages}/${local.manifest.functions[each.key].file}"

  # Replaced by a newer one, it stays: to go back to.
  deletion_policy = "ABANDON"
}

resource "google_cloudfunctions2_function" "functions" {
  #checkov:skip=CKV_GCP_124:Only predict can be reached from outside, where its callers are; Cloud Run lets nobody in who is not named
  for_each = local.functions

  name     = replace(each.key, "_", "-")
  location = var.region

  build_config {
    runtime           = "python${replace(var.python, ".", "")}"
    entry_point       = each.key
    service_account   = google_service_account.components["builder"].id
    docker_repository = google_artifact_registry_repository.containers.id

    source {
      storage_source {
        bucket = google_storage_bucket.sources.name
        object = google_storage_bucket_object.functions[each.key].name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.components[each.key].email
    available_memory                 = each.value.memory
    available_cpu                    = each.value.cpu
    max_instance_request_concurrency = each.value.requests
    max_instance_count               = lookup(var.most_instances, each.key, each.value.most_instances)
    min_instance_count               = each.key == "predict" ? var.predict_min_instances : 0
    # Before its message is delivered again, so that an attempt never works beside the one before it.
    timeout_seconds                = local.ack_deadline_seconds - 30
    ingress_settings               = each.key == "predict" ? "ALLOW_ALL" : "ALLOW_INTERNAL_ONLY"
    all_traffic_on_latest_revision = true

    environment_variables = merge(
      local.settings,
      contains(local.mlflow_clients, each.key) ? local.settings_of_mlflow_clients : {},
      contains(local.launchers, each.key) ? local.settings_of_launchers : {},
      { WORKERS = "1", THREADS = tostring(each.value.requests) },
    )
  }

  lifecycle {
    precondition {
      condition     = each.key != "predict" || var.predict_min_instances <= lookup(var.most_instances, each.key, each.value.most_instances)
      error_message = "More instances of predict would wait (predict_min_instances) than there may be (most_instances)."
    }
  }

  depends_on = [
    google_artifact_registry_repository_iam_member.builder,
    google_project_iam_member.builder_sources,
    google_project_iam_member.components,
    google_storage_bucket_iam_member.components,
    google_storage_bucket_iam_member.ledger_workers,
  ]
}
