output "what_next" {
  description = "What to do after the first deployment."
  value       = <<-EOT
    Fill in .envrc:
      export GOOGLE_CLOUD_PROJECT=${var.project}
      export TIDEWHEEL_LOCATION=${var.region}
      export TIDEWHEEL_DATASET=${google_bigquery_dataset.tidewheel.dataset_id}
      export MLFLOW_TRACKING_URI=${local.mlflow_url}
      export MLFLOW_TRACKING_AUTH=tidewheel
      export TIDEWHEEL_MACHINE_TEMPLATE=${google_compute_instance_template.training.id}
      export TIDEWHEEL_ZONES=${join(",", local.zones)}
      export TIDEWHEEL_PREDICT_URL=${google_cloudfunctions2_function.functions["predict"].service_config[0].uri}
    Drop a file:    tidewheel drop FILE --model MODEL --wait
    Look around:    tidewheel status
    MLflow's page:  gcloud run services proxy mlflow --region=${var.region} --project=${var.project}
  EOT
}

output "predict_url" {
  description = "Where predictions are asked for, by those whom predict_callers and operators name."
  value       = google_cloudfunctions2_function.functions["predict"].service_config[0].uri
}

output "mlflow_url" {
  description = "The MLflow server."
  value       = local.mlflow_url
}

output "landing_bucket" {
  description = "Where files are dropped, as <model>/<name>."
  value       = google_storage_bucket.landing.url
}

output "identities" {
  description = "The service account of each component, for whoever wants to grant it something more."
  value       = { for component in keys(local.components) : component => google_service_account.components[component].email }
}

output "dataset" {
  description = "The BigQuery dataset."
  value       = google_bigquery_dataset.tidewheel.dataset_id
}
