# What people are told without asking. Each alert says what to do.

resource "google_monitoring_notification_channel" "people" {
  display_name = "Tidewheel"
  type         = "email"

  labels = {
    email_address = var.alert_email
  }

  depends_on = [google_project_service.apis]
}

locals {
  alerts = {
    "dead letters" = {
      severity  = "ERROR"
      by        = "resource.label.subscription_id"
      filter    = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${google_pubsub_subscription.dead_letters.name}\" AND metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      aligner   = "ALIGN_MAX"
      threshold = 0
      says      = "A message could not be handled in ${local.delivery_attempts} attempts. `tidewheel dead-letters` shows it with the last error; once that is mended, `tidewheel dead-letters --redrive` sends it again. It is kept for a week."
    }
    "a step failed" = {
      severity  = "WARNING"
      by        = "resource.label.topic_id"
      filter    = "resource.type = \"pubsub_topic\" AND resource.labels.topic_id = \"${google_pubsub_topic.events["step-failed"].name}\" AND metric.type = \"pubsub.googleapis.com/topic/send_request_count\""
      aligner   = "ALIGN_DELTA"
      threshold = 0
      says      = "A file, a message or a request was wrong, and was given up. `tidewheel status` says which, why, and what to do."
    }
    "a verdict" = {
      severity  = "WARNING"
      by        = "resource.label.topic_id"
      filter    = "resource.type = \"pubsub_topic\" AND resource.labels.topic_id = \"${google_pubsub_topic.events["model-decided"].name}\" AND metric.type = \"pubsub.googleapis.com/topic/send_request_count\""
      aligner   = "ALIGN_DELTA"
      threshold = 0
      says      = "A challenger was promoted or not, or a person has decided. `tidewheel status` names the champions, `tidewheel why MODEL` the reasons, and a message on rollback-requested takes it back."
    }
    "messages wait" = {
      severity  = "ERROR"
      by        = "resource.label.subscription_id"
      filter    = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id != \"${google_pubsub_subscription.dead_letters.name}\" AND metric.type = \"pubsub.googleapis.com/subscription/oldest_unacked_message_age\""
      aligner   = "ALIGN_MAX"
      threshold = 1800
      says      = "A message has waited for half an hour. If the subscription begins with log-, BigQuery refuses it; else its function fails or does not answer: `gcloud functions logs read`."
    }
    "predictions fail" = {
      severity  = "ERROR"
      by        = "resource.label.service_name"
      filter    = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"${google_cloudfunctions2_function.functions["predict"].name}\" AND metric.type = \"run.googleapis.com/request_count\" AND metric.labels.response_code_class = \"5xx\""
      aligner   = "ALIGN_DELTA"
      threshold = 5
      says      = "predict answers with errors. `gcloud functions logs read predict` says why; a message on rollback-requested puts an earlier version back within five seconds."
    }
  }
}

resource "google_monitoring_alert_policy" "alerts" {
  for_each = local.alerts

  display_name          = "Tidewheel: ${each.key}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = [google_monitoring_notification_channel.people.id]

  conditions {
    display_name = each.key

    condition_threshold {
      filter          = each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.threshold
      duration        = "60s"
      # What happens seldom leaves no data behind: without this a mail would be the last one until auto_close. It takes
      # a duration, and the window below is longer than that.
      evaluation_missing_data = "EVALUATION_MISSING_DATA_INACTIVE"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.value.aligner == "ALIGN_MAX" ? "REDUCE_MAX" : "REDUCE_SUM"
        # The mail then names which one.
        group_by_fields = [each.value.by]
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = each.value.says
  }

  alert_strategy {
    auto_close = "1800s"
  }
}
