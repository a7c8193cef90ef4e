# Where the functions' containers and MLflow's image are kept, and who builds them.

resource "google_artifact_registry_repository" "containers" {
  #checkov:skip=CKV_GCP_84:Encrypted by Google's keys, as everything here; no secret is in an image
  repository_id = "tidewheel"
  location      = var.region
  format        = "DOCKER"
  description   = "The functions' containers, and MLflow's."

  cleanup_policies {
    id     = "keep-some"
    action = "KEEP"
    most_recent_versions {
      keep_count = 5
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "2592000s"
    }
  }

  depends_on = [google_project_service.apis]
}

resource "google_artifact_registry_repository_iam_member" "builder" {
  location   = google_artifact_registry_repository.containers.location
  repository = google_artifact_registry_repository.containers.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.components["builder"].member
}

# Cloud Functions copies a source to a bucket of its own before it is built; that is made with the first function.
resource "google_project_iam_member" "builder_sources" {
  project = var.project
  role    = "roles/storage.objectViewer"
  member  = google_service_account.components["builder"].member

  condition {
    title      = "sources_of_functions"
    expression = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-${data.google_project.this.number}-${var.region}\")"
  }
}
