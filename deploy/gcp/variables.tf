variable "project" {
  description = "The project that everything is in. A project of its own is best: roles that exist only for a whole project then mean nothing else."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project's id has 6 to 30 of a-z, 0-9 and -, and begins with a letter."
  }
}

variable "region" {
  description = "Where functions, machines, buckets, messages, tables and the database are. One region for all: loads between them cost nothing."
  type        = string
  default     = "us-central1"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Name a region, such as us-central1 or europe-west1; not a zone, and not a continent."
  }
}

variable "zones" {
  description = "Zones of the region in which to train, in the order of preference; empty: all of them."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for zone in var.zones : startswith(zone, "${var.region}-")])
    error_message = "Every zone has to be one of the region's."
  }
}

variable "dataset" {
  description = "The BigQuery dataset."
  type        = string
  default     = "tidewheel"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.dataset))
    error_message = "A dataset's name has a-z, 0-9 and _, and begins with a letter."
  }
}

variable "mlflow_image" {
  description = "The container image of the MLflow server; `make deploy` builds it and fills this in."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+/[a-z0-9./_-]+(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$", var.mlflow_image))
    error_message = "Name an image with its tag or digest: an image without one changes by itself."
  }

  validation {
    condition     = !endswith(var.mlflow_image, ":latest")
    error_message = "\"latest\" is another image tomorrow. Name a version."
  }
}

variable "mlflow_upgrade" {
  description = "Set for one deployment to let a newer MLflow change the tables of its database. Back it up first."
  type        = bool
  default     = false
}

variable "operators" {
  description = "Who uses the command `tidewheel` and MLflow's page, as group:… or user:…. They may drop files, ask for trainings, and decide about production."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.operators : can(regex("^(user|group|serviceAccount):.+@.+$", member))])
    error_message = "Name people, groups and service accounts one by one, as in group:data@example.com: never everybody."
  }
}

variable "predict_callers" {
  description = "Who may ask for predictions, besides the operators, as serviceAccount:…, group:… or user:…."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.predict_callers : can(regex("^(user|group|serviceAccount):.+@.+$", member))])
    error_message = "Name people, groups and service accounts one by one: neither allUsers nor allAuthenticatedUsers."
  }
}

variable "most_instances" {
  description = "The most instances of a function at a time, by its name, where they are others than in functions.tf. What is there fits into a new project's quotas of Cloud Run (20 CPUs and 40 GiB in a region): ask for larger ones first."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.most_instances) : contains(["preprocess", "evaluate", "launch_training", "promote", "predict"], name)])
    error_message = "Name preprocess, evaluate, launch_training, promote or predict. (reconcile does all of its work in one instance.)"
  }

  validation {
    condition     = alltrue([for most in values(var.most_instances) : most >= 1 && most <= 100])
    error_message = "1 to 100 of each."
  }
}

variable "predict_min_instances" {
  description = "Instances of predict that wait for requests, at most as many as most_instances allows. 0 costs nothing at rest; the first request after a while then waits for a start."
  type        = number
  default     = 0

  validation {
    condition     = var.predict_min_instances >= 0 && var.predict_min_instances <= 10
    error_message = "0 to 10."
  }
}

variable "alert_email" {
  description = "Where alerts go."
  type        = string

  validation {
    condition     = can(regex("^[^@ ]+@[^@ ]+$", var.alert_email))
    error_message = "That is no address."
  }
}

variable "billing_account" {
  description = "The billing account for which to make the budget alert; empty: none is made. Whoever deploys needs roles/billing.costsManager on it."
  type        = string
  default     = ""

  validation {
    condition     = var.billing_account == "" || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "Like 012345-6789AB-CDEF01."
  }
}

variable "monthly_budget" {
  description = "What the project is meant to cost a month, in the billing account's currency. Alerts go at half of it, at all of it, and when all of it is foreseen."
  type        = number
  default     = 150

  validation {
    condition     = var.monthly_budget > 0
    error_message = "More than 0."
  }
}

variable "python" {
  description = "The Python of the functions and of the machine that trains, which have to be the same: a version's code is loaded by the Python that stored it. training.tf names the images that have it."
  type        = string
  default     = "3.11"

  validation {
    condition     = contains(["3.11", "3.13"], var.python)
    error_message = "3.11 or 3.13: the functions' runtimes and Debian's images have only these in common."
  }
}

variable "machine_type" {
  description = "The machine that trains."
  type        = string
  default     = "n2-standard-4"
}

variable "machine_disk_gb" {
  description = "The disk of the machine that trains."
  type        = number
  default     = 50

  validation {
    condition     = var.machine_disk_gb >= 20 && var.machine_disk_gb <= 2000
    error_message = "20 to 2000."
  }
}

variable "most_machines" {
  description = "The most machines that train at a time; further requests wait. Two of machine_type's usual kind fit into a new project's quota, which may be 8 CPUs of N2."
  type        = number
  default     = 2

  validation {
    condition     = var.most_machines >= 1 && var.most_machines <= 50
    error_message = "1 to 50."
  }
}

variable "spot_starts" {
  description = "How many starts of one training are Spot machines, before the next one is on demand."
  type        = number
  default     = 2

  validation {
    condition     = var.spot_starts >= 0 && var.spot_starts <= 10
    error_message = "0 to 10."
  }
}

variable "training_deadline_seconds" {
  description = "How long a training may take. Compute Engine deletes the machine by itself some minutes later."
  type        = number
  default     = 3600

  validation {
    condition     = var.training_deadline_seconds >= 300 && var.training_deadline_seconds <= 86400
    error_message = "5 minutes to a day."
  }
}

variable "retraining_schedule" {
  description = "When every model's challenger is asked for, in cron's form, in UTC."
  type        = string
  default     = "0 3 1 * *"
}

variable "reconcile_schedule" {
  description = "When the reconciler looks for what has got stuck, in cron's form, in UTC."
  type        = string
  default     = "*/5 * * * *"
}

variable "pruning_schedule" {
  description = "When table snapshots that nobody needs any more are deleted, in cron's form, in UTC."
  type        = string
  default     = "30 4 1 * *"
}

variable "database_tier" {
  description = "The machine of MLflow's database."
  type        = string
  default     = "db-g1-small"
}

variable "database_availability" {
  description = "ZONAL, or REGIONAL for a second machine that takes over, at twice the price."
  type        = string
  default     = "ZONAL"

  validation {
    condition     = contains(["ZONAL", "REGIONAL"], var.database_availability)
    error_message = "ZONAL or REGIONAL."
  }
}

variable "database_password_version" {
  description = "Count up to have MLflow's database password drawn anew."
  type        = number
  default     = 1
}

variable "quarantine_days" {
  description = "How long refused files are kept."
  type        = number
  default     = 180

  validation {
    condition     = var.quarantine_days >= 7
    error_message = "At least a week: somebody has to look at them."
  }
}

variable "ledger_days" {
  description = "How long it is remembered which work was done. A message that comes again after that is done again."
  type        = number
  default     = 90

  validation {
    condition     = var.ledger_days >= 30
    error_message = "At least 30: messages, dead letters and what was sent again from there may be two weeks old."
  }
}

variable "snapshot_days" {
  description = "How long the rows of each training are kept, so that `tidewheel reproduce` can train it again; those of versions that serve, have served or wait are kept in any case."
  type        = number
  default     = 400

  validation {
    condition     = var.snapshot_days >= 30
    error_message = "At least 30: the code refuses fewer."
  }
}

variable "log_days" {
  description = "How long the log of every event is kept."
  type        = number
  default     = 400

  validation {
    condition     = var.log_days >= 30
    error_message = "At least 30: open stories and dead letters are told from it."
  }
}

variable "training_log_days" {
  description = "How long the logs of trainings are kept."
  type        = number
  default     = 180

  validation {
    condition     = var.training_log_days >= 7
    error_message = "At least a week: who looks for what went wrong on a Friday comes on a Monday."
  }
}

variable "overwritten_days" {
  description = "How long what somebody overwrote or deleted in the landing, state and artifacts buckets can be brought back; what goes by its age is gone."
  type        = number
  default     = 30

  validation {
    condition     = var.overwritten_days >= 7
    error_message = "At least a week."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete what cannot be made again: buckets with content, tables, the database. `make destroy` says how to lift it."
  type        = bool
  default     = true
}
