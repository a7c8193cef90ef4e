# The buckets. Nothing in them is public, and nothing has an access list of its own: roles on the bucket are all there is.

locals {
  landing    = "${var.project}-landing"
  quarantine = "${var.project}-quarantine"
  state      = "${var.project}-state"
  artifacts  = "${var.project}-artifacts"
  sources    = "${var.project}-sources"
}

# Where files are dropped, as <model>/<name>. They stay: a version is told by the drops that it was trained on.
resource "google_storage_bucket" "landing" {
  name                        = local.landing
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection

  versioning {
    enabled = true
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = var.overwritten_days
    }
    action {
      type = "Delete"
    }
  }

  # Read once, and again only by a replay.
  lifecycle_rule {
    condition {
      age        = 30
      with_state = "LIVE"
    }
    action {
      type          = "SetStorageClass"
      storage_class = "NEARLINE"
    }
  }

  depends_on = [google_project_service.apis]
}

# Refused files, with the reason beside each.
resource "google_storage_bucket" "quarantine" {
  #checkov:skip=CKV_GCP_78:Copies of what is in the landing bucket, named by generation and written once
  name                        = local.quarantine
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection

  lifecycle_rule {
    condition {
      age = var.quarantine_days
    }
    action {
      type = "Delete"
    }
  }

  depends_on = [google_project_service.apis]
}

# The ledger, the decision log, the open requests, the trainings' logs, and rows on their way to the warehouse.
resource "google_storage_bucket" "state" {
  name                        = local.state
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection

  versioning {
    enabled = true
  }

  # Decisions and requests are not among these: they are kept for good. Of a piece of work goes first what it announced:
  # an outbox without its "done" is work that died half-way, to the reconciler, who would announce it once more.
  lifecycle_rule {
    condition {
      age            = var.ledger_days
      matches_prefix = ["ledger/"]
      matches_suffix = ["/outbox"]
    }
    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      age            = var.ledger_days + 14
      matches_prefix = ["ledger/", "machines/"]
    }
    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      age            = var.training_log_days
      matches_prefix = ["logs/"]
    }
    action {
      type = "Delete"
    }
  }

  # Whoever staged them deletes them; what an instance left that was killed goes a day later, and so do deleted ones.
  lifecycle_rule {
    condition {
      age            = 1
      matches_prefix = ["staging/"]
    }
    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = 1
      matches_prefix             = ["staging/", "locks/"]
    }
    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = var.overwritten_days
    }
    action {
      type = "Delete"
    }
  }

  # Versions are what brings things back; a second safety net would keep staged rows for another week, and be paid for.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  depends_on = [google_project_service.apis]
}

# What MLflow stores: models, and the files of runs.
resource "google_storage_bucket" "artifacts" {
  name                        = local.artifacts
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection

  versioning {
    enabled = true
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = var.overwritten_days
    }
    action {
      type = "Delete"
    }
  }

  depends_on = [google_project_service.apis]
}

# The packages of the functions and of the worker, named by their content, so that an older one is there to go back to.
resource "google_storage_bucket" "sources" {
  #checkov:skip=CKV_GCP_78:An object is named by its digest: it never changes, and Terraform can write it again
  name                        = local.sources
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true

  lifecycle_rule {
    condition {
      age            = 30
      matches_prefix = ["builds/"]
    }
    action {
      type = "Delete"
    }
  }

  depends_on = [google_project_service.apis]
}
