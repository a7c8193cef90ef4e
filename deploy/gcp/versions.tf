# 1.11 is the first that keeps a password out of its state (write-only arguments): see docs/decisions.
terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    # The major version whose schema deploy/gcp/checks holds these files against.
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }

  # `make deploy` names the bucket: <project>-terraform.
  backend "gcs" {
    prefix = "tidewheel"
  }
}

provider "google" {
  project = var.project
  region  = var.region

  # Budgets belong to a billing account, and are asked for in this project's name.
  user_project_override = true
  billing_project       = var.project

  default_labels = {
    application = "tidewheel"
  }
}

data "google_project" "this" {
  project_id = var.project
}
