# MLflow's database: private, backed up every night, and to any moment of the last week.

resource "random_id" "database" {
  # For a week nobody can use the name of a database that was deleted.
  byte_length = 3
}

resource "google_sql_database_instance" "mlflow" {
  #checkov:skip=CKV_GCP_6:Everything is encrypted; a client's certificate would be one more secret beside the password, in the same hands
  #checkov:skip=CKV_GCP_110:One program with one user asks here; who asked that program is in Cloud Run's request log
  #checkov:skip=CKV2_GCP_13:How long each statement took would be most of the log; Query Insights keeps it
  name                = "tidewheel-mlflow-${random_id.database.hex}"
  database_version    = "POSTGRES_18"
  region              = var.region
  deletion_protection = var.deletion_protection

  lifecycle {
    # It grows by itself, and could only be made smaller by making it anew.
    ignore_changes = [settings[0].disk_size]
  }

  settings {
    tier                        = var.database_tier
    edition                     = "ENTERPRISE"
    availability_type           = var.database_availability
    disk_type                   = "PD_SSD"
    disk_size                   = 10
    disk_autoresize             = true
    deletion_protection_enabled = var.deletion_protection

    backup_configuration {
      enabled                        = true
      start_time                     = "02:00"
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = 14
      }
    }

    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.tidewheel.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    maintenance_window {
      day          = 7
      hour         = 4
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled = true
    }

    # Who came and went, what waited, and what changed tables: enough to see what has happened, and no row in the log.
    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }
    database_flags {
      name  = "log_connections"
      value = "on"
    }
    database_flags {
      name  = "log_disconnections"
      value = "on"
    }
    database_flags {
      name  = "log_hostname"
      value = "on"
    }
    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }
    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }
    database_flags {
      name  = "log_min_messages"
      value = "error"
    }
    database_flags {
      name  = "log_statement"
      value = "ddl"
    }
    database_flags {
      name  = "log_temp_files"
      value = "0"
    }
  }

  depends_on = [google_service_networking_connection.services]
}

resource "google_sql_database" "mlflow" {
  name     = "mlflow"
  instance = google_sql_database_instance.mlflow.name
  # It goes with its server; on its own it would wait for everybody to log out.
  deletion_policy = "ABANDON"
}

# The password is what the secret holds, and neither is ever in Terraform's state.
resource "google_sql_user" "mlflow" {
  name                = "mlflow"
  instance            = google_sql_database_instance.mlflow.name
  password_wo         = ephemeral.google_secret_manager_secret_version.database_password.secret_data
  password_wo_version = var.database_password_version
  deletion_policy     = "ABANDON"
}
