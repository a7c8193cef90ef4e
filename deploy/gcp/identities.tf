# One identity for each component, and for each function one more: whoever may call it. None has a key.

locals {
  components = {
    preprocess      = "Cleans dropped files into the warehouse"
    evaluate        = "Scores the champion on a new drop"
    launch_training = "Starts a machine for a request"
    promote         = "Decides which version is in production"
    reconcile       = "Mends what has got stuck"
    predict         = "Answers with predictions"
    trainer         = "Trains one request on a machine of its own"
    mlflow          = "The MLflow server"
    builder         = "Builds the functions and the image of MLflow"
  }
}

resource "google_service_account" "components" {
  for_each = local.components

  account_id   = "tidewheel-${replace(each.key, "_", "-")}"
  display_name = "Tidewheel: ${each.key}"
  description  = each.value

  depends_on = [google_project_service.apis]
}

resource "google_service_account" "push" {
  for_each = toset(values(local.consumers))

  account_id   = "tidewheel-push-${replace(each.key, "_", "-")}"
  display_name = "Tidewheel: caller of ${each.key}"
  description  = "In whose name Pub/Sub calls ${each.key}"

  depends_on = [google_project_service.apis]
}
