# Who reacts to what: our own push subscriptions, each with a token that its function checks, retries and dead letters.
# No event triggers: the subscription that one makes cannot be given a dead-letter topic.

locals {
  # Topic = function, as CONSUMERS in shared/lifecycle/events.py has it.
  consumers = {
    "drop-received"        = "preprocess"
    "data-prepared"        = "evaluate"
    "training-requested"   = "launch_training"
    "retraining-requested" = "launch_training"
    "model-trained"        = "promote"
    "model-evaluated"      = "promote"
    "rollback-requested"   = "promote"
    "promotion-requested"  = "promote"
    "approval-given"       = "promote"
    "pause-requested"      = "promote"
    "resume-requested"     = "promote"
    "withdrawal-requested" = "preprocess"
    "reconcile-requested"  = "reconcile"
  }

  # Also how long a push may take; a function stops earlier.
  ack_deadline_seconds = 600
  # The most that Pub/Sub allows. The pauses grow from a second to a minute, so that they last an hour and a half at least:
  # far longer than any lease, and than a backfill whose drops wait for their turn. Longer pauses would hold up whoever waits,
  # and show what has failed for good much later.
  delivery_attempts = 100
  kept              = "604800s"
}

resource "google_pubsub_subscription" "push" {
  for_each = local.consumers

  name                       = "${each.value}-${each.key}"
  topic                      = google_pubsub_topic.events[each.key].id
  ack_deadline_seconds       = local.ack_deadline_seconds
  message_retention_duration = local.kept

  # By default a subscription that nothing came through for a month deletes itself.
  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = local.delivery_attempts
  }

  push_config {
    # The path tells the function which topic a message without attributes came from.
    push_endpoint = "${google_cloudfunctions2_function.functions[each.value].service_config[0].uri}/projects/${var.project}/topics/${each.key}"

    oidc_token {
      service_account_email = google_service_account.push[each.value].email
      # Without it the audience would be the endpoint with its path, which Cloud Run refuses.
      audience = google_cloudfunctions2_function.functions[each.value].service_config[0].uri
    }
  }

  depends_on = [google_service_account_iam_member.push_tokens]
}

# Dead letters wait a week for people: tidewheel dead-letters.
resource "google_pubsub_subscription" "dead_letters" {
  name                       = "dead-letters"
  topic                      = google_pubsub_topic.dead_letters.id
  ack_deadline_seconds       = 60
  message_retention_duration = local.kept

  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub itself moves a dead letter: it publishes on the one side, and acknowledges on the other. It needs both grants.
resource "google_pubsub_topic_iam_member" "dead_letters" {
  topic  = google_pubsub_topic.dead_letters.id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead_letters" {
  for_each = local.consumers

  subscription = google_pubsub_subscription.push[each.key].id
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# Pub/Sub signs the pushes to a function in the name of that function's caller, and of nobody else.
resource "google_service_account_iam_member" "push_tokens" {
  for_each = toset(values(local.consumers))

  service_account_id = google_service_account.push[each.key].name
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = local.pubsub_agent
}
