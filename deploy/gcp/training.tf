# The machine that trains one request. Whoever inserts it from this template gives it its name, its request and its end:
# a deadline at which Compute Engine deletes it, and Spot or not.

data "google_compute_zones" "here" {
  region = var.region
  status = "UP"

  depends_on = [google_project_service.apis]
}

locals {
  # Python = the image whose own python3 it is.
  images = {
    "3.11" = "debian-cloud/debian-12"
    "3.13" = "debian-cloud/debian-13"
  }

  zones = length(var.zones) > 0 ? var.zones : data.google_compute_zones.here.names

  # As the functions have it, and where its own code is.
  worker_settings = merge(local.settings, local.settings_of_mlflow_clients, {
    TIDEWHEEL_TRAINING_DEADLINE_SECONDS = tostring(var.training_deadline_seconds)
  })
}

resource "google_storage_bucket_object" "worker" {
  bucket = google_storage_bucket.sources.name
  name   = "worker-${substr(local.manifest.worker.sha256, 0, 16)}.zip"
  source = "${local.packages}/${local.manifest.worker.file}"

  # A machine that was started a moment ago, from the template before, still fetches it.
  deletion_policy = "ABANDON"
}

resource "google_compute_instance_template" "training" {
  name_prefix  = "tidewheel-training-"
  description  = "Trains one request, and ends."
  machine_type = var.machine_type

  disk {
    source_image = local.images[var.python]
    disk_size_gb = var.machine_disk_gb
    disk_type    = "pd-balanced"
    auto_delete  = true
    boot         = true
  }

  network_interface {
    # No address of its own: network.tf.
    subnetwork = google_compute_subnetwork.tidewheel.id
  }

  service_account {
    email = google_service_account.components["trainer"].email
    # What it may do is said by its roles alone.
    scopes = ["cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  metadata = {
    startup-script         = file("${path.module}/worker/startup.sh")
    tidewheel-worker       = "gs://${google_storage_bucket.sources.name}/${google_storage_bucket_object.worker.name}"
    tidewheel-environment  = join("\n", [for name, value in local.worker_settings : "${name}=${value}"])
    enable-oslogin         = "TRUE"
    block-project-ssh-keys = "TRUE"
    serial-port-enable     = "FALSE"
  }

  lifecycle {
    create_before_destroy = true
  }
}
