# Copy to <project>.tfvars. Everything else has a default: variables.tf.
alert_email     = "data-team@example.com"
operators       = ["group:data-team@example.com"]
predict_callers = ["serviceAccount:shop@example.iam.gserviceaccount.com"]
billing_account = "" # 012345-6789AB-CDEF01, for a budget alert.
