# Machines belong to the project, so that roles about them do, too. These hold exactly what the code calls, and only for
# machines that are called train-…: whoever took over a launcher could touch no other machine of the project.

locals {
  # Attached disks have the machine's name. What is neither (the template, the network, the image) is only used.
  # On one line: a condition that comes back without its last line's end would be another one to Terraform.
  of_a_training = join(" || ", [
    "(resource.type != \"compute.googleapis.com/Instance\" && resource.type != \"compute.googleapis.com/Disk\")",
    "resource.name.extract(\"/instances/{name}\").startsWith(\"train-\")",
    "resource.name.extract(\"/disks/{name}\").startsWith(\"train-\")",
  ])
}

resource "google_project_iam_custom_role" "launcher" {
  role_id     = "tidewheelLauncher"
  title       = "Tidewheel: starts and deletes machines that train"
  description = "What listing machines, inserting one from the template and deleting it takes."

  permissions = [
    "compute.disks.create",
    "compute.images.useReadOnly",
    "compute.instanceTemplates.get",
    "compute.instanceTemplates.useReadOnly",
    "compute.instances.create",
    "compute.instances.delete",
    "compute.instances.list",
    "compute.instances.setLabels",
    "compute.instances.setMetadata",
    "compute.instances.setServiceAccount",
    "compute.instances.setTags",
    "compute.subnetworks.use",
    "compute.zoneOperations.get",
  ]

  depends_on = [google_project_service.apis]
}

resource "google_project_iam_member" "launchers" {
  for_each = toset(local.launchers)

  project = var.project
  role    = google_project_iam_custom_role.launcher.id
  member  = google_service_account.components[each.key].member

  condition {
    title      = "machines_that_train"
    expression = local.of_a_training
  }
}

# A machine runs as the trainer; only launchers may have one do so.
resource "google_service_account_iam_member" "launchers" {
  for_each = toset(local.launchers)

  service_account_id = google_service_account.components["trainer"].name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.components[each.key].member
}

# When it is done, the machine deletes itself.
resource "google_project_iam_custom_role" "ends_itself" {
  role_id     = "tidewheelEndsItself"
  title       = "Tidewheel: deletes a machine that trains"
  description = "For the trainer, which deletes its own machine when it is done."
  permissions = ["compute.instances.delete"]

  depends_on = [google_project_service.apis]
}

resource "google_project_iam_member" "trainer_ends_itself" {
  project = var.project
  role    = google_project_iam_custom_role.ends_itself.id
  member  = google_service_account.components["trainer"].member

  condition {
    title      = "machines_that_train"
    expression = "resource.type == \"compute.googleapis.com/Instance\" && resource.name.extract(\"/instances/{name}\").startsWith(\"train-\")"
  }
}

# People see which machines there are: tidewheel status.
resource "google_project_iam_custom_role" "watcher" {
  role_id     = "tidewheelWatcher"
  title       = "Tidewheel: lists machines"
  description = "For operators, who see which trainings run."
  permissions = ["compute.instances.list"]

  depends_on = [google_project_service.apis]
}

resource "google_project_iam_member" "watchers" {
  for_each = toset(var.operators)

  project = var.project
  role    = google_project_iam_custom_role.watcher.id
  member  = each.key
}
