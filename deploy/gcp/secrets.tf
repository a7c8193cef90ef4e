# The one secret: the password of MLflow's database. Everything else knows each other by identity.

resource "google_secret_manager_secret" "database_password" {
  secret_id = "tidewheel-mlflow-database-password"

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  depends_on = [google_project_service.apis]
}

# Drawn at every run, and used only when var.database_password_version has changed.
ephemeral "random_password" "database" {
  length  = 40
  special = false
}

resource "google_secret_manager_secret_version" "database_password" {
  secret                 = google_secret_manager_secret.database_password.id
  secret_data_wo         = ephemeral.random_password.database.result
  secret_data_wo_version = var.database_password_version
}

# Read back, so that an apply that broke off half-way cannot leave the user with another password than the secret.
ephemeral "google_secret_manager_secret_version" "database_password" {
  secret  = google_secret_manager_secret.database_password.secret_id
  version = google_secret_manager_secret_version.database_password.version
}
