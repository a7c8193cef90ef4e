#!/usr/bin/env bash
# `make deploy` and `make destroy`: packages the functions, builds MLflow's image if it is a new one, and has Terraform
# make everything else. Safe to repeat: what is unchanged stays as it is.
#   PROJECT, REGION   where to
#   YES=1             do not ask before something is changed
#   PLAN=1            only say what would be changed; the first time what a plan itself needs is made: three services,
#                     Pub/Sub's own account, and the bucket of Terraform's state
set -euo pipefail
cd "$(dirname "$0")/../.."
HERE=deploy/gcp
PYTHON="${PYTHON:-.venv/bin/python}"

# What .envrc says of a stack on this laptop: the tables would be made there.
unset PUBSUB_EMULATOR_HOST STORAGE_EMULATOR_HOST BIGQUERY_EMULATOR_HOST BIGQUERY_STORAGE_EMULATOR_HOST

stop() {
  echo "$1" >&2
  exit 2
}

APPROVE="-auto-approve=false"
if [ "${YES:-}" = 1 ]; then APPROVE="-auto-approve=true"; fi

refuse_what_is_missing() {
  [ -n "${PROJECT:-}" ] || stop "PROJECT is not set: make $1 PROJECT=my-project REGION=europe-west1"
  [ -n "${REGION:-}" ] || stop "REGION is not set: make $1 PROJECT=$PROJECT REGION=europe-west1"
  command -v terraform >/dev/null || stop "terraform is not installed: 1.11 or newer is needed."
  command -v gcloud >/dev/null || stop "gcloud is not installed: it makes the bucket of Terraform's state, and builds an image."
  STATE="$PROJECT-terraform"
  VARIABLES="$HERE/$PROJECT.tfvars"
  [ -f "$VARIABLES" ] || stop "$VARIABLES is not there: copy $HERE/example.tfvars, and say where alerts go."
  gcloud auth application-default print-access-token >/dev/null 2>&1 ||
    stop "nobody is logged in: gcloud auth application-default login"
}

# What Terraform cannot make for itself. Each is made whether or not the others are there: an earlier start may have ended
# in between, and a bucket that an administrator has made says nothing of the rest.
prepare_project() {
  gcloud services enable cloudresourcemanager.googleapis.com serviceusage.googleapis.com pubsub.googleapis.com \
    --project="$PROJECT"
  # Pub/Sub's own account, which Terraform grants things to: a new project may not have it yet, and the provider of this
  # version cannot ask for it.
  gcloud beta services identity create --service=pubsub.googleapis.com --project="$PROJECT"
  has_state 2>/dev/null ||
    gcloud storage buckets create "gs://$STATE" --project="$PROJECT" --location="$REGION" \
      --uniform-bucket-level-access --public-access-prevention
  gcloud storage buckets update "gs://$STATE" --versioning
}

# Where Terraform keeps its state: private, and with every version of it.
has_state() {
  gcloud storage buckets describe "gs://$STATE" --format="value(name)" >/dev/null
}

begin_terraform() {
  terraform -chdir="$HERE" init -input=false -reconfigure -backend-config="bucket=$STATE"
}

run_terraform() {
  local action="$1"
  shift
  terraform -chdir="$HERE" "$action" -input=false -var-file="$PROJECT.tfvars" \
    -var="project=$PROJECT" -var="region=$REGION" -var="mlflow_image=$IMAGE" "$@"
}

# Named by what is in it: the same sources are the same image, and are not built again.
name_image() {
  "$PYTHON" -m deploy.gcp.mlflow --out build/gcp/mlflow >/dev/null
  local digest
  digest="$(cd build/gcp/mlflow && find . -type f | LC_ALL=C sort | xargs cat | git hash-object --stdin | cut -c 1-16)"
  IMAGE="$REGION-docker.pkg.dev/$PROJECT/tidewheel/mlflow:$digest"
}

# What was granted a moment ago may take minutes until it holds everywhere; whatever else is wrong is then said five times.
patiently() {
  local pause=15
  until "$@"; do
    [ "$pause" -le 120 ] || stop "it was refused five times: what was said above is not a matter of waiting."
    echo "That was refused. What was granted a moment ago may not hold everywhere yet: again in $pause s." >&2
    sleep "$pause"
    pause=$((2 * pause))
  done
}

# In the name of the builder: the account that Cloud Build takes by itself may do nothing in a new project, or far too much.
submit_build() {
  gcloud builds submit build/gcp/mlflow --project="$PROJECT" --region="$REGION" \
    --config="$HERE/mlflow/cloudbuild.yaml" --substitutions="_IMAGE=$IMAGE" \
    --service-account="projects/$PROJECT/serviceAccounts/tidewheel-builder@$PROJECT.iam.gserviceaccount.com" \
    --gcs-source-staging-dir="gs://$PROJECT-sources/builds"
}

build_image() {
  if gcloud artifacts docker images describe "$IMAGE" --format="value(name)" >/dev/null 2>&1; then return; fi
  # What a build needs is made first; without an image, MLflow could not be. The last two are what a notification and the
  # log's subscriptions are refused without: while the image is built, they come to hold everywhere.
  run_terraform apply "$APPROVE" \
    -target=google_artifact_registry_repository_iam_member.builder \
    -target=google_project_iam_member.builder_sources \
    -target=google_project_iam_member.components \
    -target=google_storage_bucket_iam_member.components \
    -target=google_pubsub_topic_iam_member.bucket \
    -target=google_bigquery_table_iam_member.log_writer
  patiently submit_build
}

up() {
  refuse_what_is_missing deploy
  "$PYTHON" -m deploy.gcp.package --out build/gcp
  name_image
  # Who may only look can plan where something is deployed.
  [ "${PLAN:-}" = 1 ] && has_state 2>/dev/null || prepare_project
  begin_terraform
  if [ "${PLAN:-}" = 1 ]; then
    run_terraform plan
    return
  fi
  build_image
  run_terraform apply "$APPROVE"
  GOOGLE_CLOUD_PROJECT="$PROJECT" TIDEWHEEL_LOCATION="$REGION" \
    TIDEWHEEL_DATASET="$(terraform -chdir="$HERE" output -raw dataset)" "$PYTHON" -m deploy.gcp.tables
  terraform -chdir="$HERE" output -raw what_next
}

down() {
  refuse_what_is_missing destroy
  "$PYTHON" -m deploy.gcp.package --out build/gcp >/dev/null
  name_image
  has_state || stop "gs://$STATE, with all that is known of a deployment in $PROJECT, cannot be looked at: nothing is destroyed."
  begin_terraform
  # It refuses whatever is protected: deletion_protection in variables.tf.
  run_terraform destroy "$APPROVE"
  echo "The bucket gs://$STATE stays, with Terraform's state. Delete it when nothing is left that it tells of."
}

case "${1:-}" in
  up | down) "$1" ;;
  *) stop "deploy.sh up, or deploy.sh down." ;;
esac
