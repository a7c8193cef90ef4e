# The MLflow server. Cloud Run lets nobody through whom it does not know, and the server answers to its own name only.

locals {
  # Cloud Run derives it from the project's number, so that it is known before the service is there.
  mlflow_host = "mlflow-${data.google_project.this.number}.${var.region}.run.app"

  # Services have a second, older name, which `gcloud run services proxy` uses. What follows the service's own name in it is
  # the same for all services of a project and region: predict's tells it.
  mlflow_older_host = replace(trimprefix(google_cloudfunctions2_function.functions["predict"].service_config[0].uri, "https://"), "predict-", "mlflow-")
}

resource "google_cloud_run_v2_service" "mlflow" {
  name     = "mlflow"
  location = var.region
  # People open its page through `gcloud run services proxy`, which comes from outside; who comes is asked in any case.
  ingress = "INGRESS_TRAFFIC_ALL"
  # The address that its clients have, and name in their tokens: beside the older one, which Cloud Run takes in any case.
  custom_audiences    = [local.mlflow_url]
  deletion_protection = var.deletion_protection

  template {
    service_account                  = google_service_account.components["mlflow"].email
    max_instance_request_concurrency = 40
    timeout                          = "300s"

    scaling {
      min_instance_count = 0
      # Each may open 20 connections, and a small database takes 50.
      max_instance_count = 2
    }

    vpc_access {
      egress = "PRIVATE_RANGES_ONLY"
      network_interfaces {
        network    = google_compute_network.tidewheel.id
        subnetwork = google_compute_subnetwork.tidewheel.id
      }
    }

    containers {
      image = var.mlflow_image

      resources {
        limits = {
          cpu    = "2"
          memory = "2Gi"
        }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      ports {
        container_port = 8080
      }

      startup_probe {
        initial_delay_seconds = 5
        period_seconds        = 5
        timeout_seconds       = 5
        failure_threshold     = 30
        http_get {
          path = "/health"
        }
      }

      liveness_probe {
        period_seconds    = 30
        timeout_seconds   = 10
        failure_threshold = 3
        http_get {
          path = "/health"
        }
      }

      env {
        name  = "MLFLOW_ARTIFACTS_DESTINATION"
        value = "gs://${google_storage_bucket.artifacts.name}"
      }
      env {
        name  = "MLFLOW_DATABASE_HOST"
        value = google_sql_database_instance.mlflow.private_ip_address
      }
      env {
        name  = "MLFLOW_DATABASE_NAME"
        value = google_sql_database.mlflow.name
      }
      env {
        name  = "MLFLOW_DATABASE_USER"
        value = google_sql_user.mlflow.name
      }
      env {
        name = "MLFLOW_DATABASE_PASSWORD"
        value_source {
          secret_key_ref {
            secret = google_secret_manager_secret.database_password.secret_id
            # This version, not the latest: a new password makes a new revision, which begins with it.
            version = google_secret_manager_secret_version.database_password.version
          }
        }
      }
      env {
        name  = "MLFLOW_SERVER_ALLOWED_HOSTS"
        value = "${local.mlflow_host},${local.mlflow_older_host}"
      }
      env {
        name  = "MLFLOW_UPGRADE_DATABASE"
        value = tostring(var.mlflow_upgrade)
      }
    }
  }

  depends_on = [
    google_project_iam_member.components,
    google_secret_manager_secret_iam_member.mlflow,
    google_storage_bucket_iam_member.components,
  ]
}
