#!/usr/bin/env bash
# A training machine from its start to its end: fetch the code, train one request, show the log, delete the machine.
# Whatever fails, the machine is deleted: `end` is on every way out. What hangs is ended by `timeout`, and what hangs
# even so by Compute Engine at the machine's deadline. Compute Engine runs this as root, at the machine's only start.
set -euo pipefail

METADATA="http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1"
FOLDER="${TIDEWHEEL_MACHINE_FOLDER:-/opt/tidewheel}"
LOG="$FOLDER/machine.log"
SHIP_EVERY_SECONDS=5
# The worker stops by itself at its deadline, and gives its lease back within half a minute of being told to.
PAST_DEADLINE_SECONDS=60
LAST_WORDS_SECONDS=30

ask() {
  curl --silent --show-error --fail --retry 5 --retry-connrefused --header "Metadata-Flavor: Google" "$METADATA/$1"
}

google() {
  local token
  token="$(ask instance/service-accounts/default/token | sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p')"
  curl --silent --show-error --fail --retry 3 --max-time 120 --header "Authorization: Bearer $token" "$@"
}

export_environment() {
  local name value
  while IFS="=" read -r name value; do
    if [ -n "$name" ]; then export "$name=$value"; fi
  done < <(ask instance/attributes/tidewheel-environment && echo)
}

storage() { echo "${STORAGE_EMULATOR_HOST:-https://storage.googleapis.com}"; }

# An earlier start of the same request has said something, too.
continue_log() {
  google "$(storage)/storage/v1/b/$TIDEWHEEL_STATE_BUCKET/o/logs%2F$NAME.log?alt=media" 2>/dev/null >>"$LOG" || true
}

ship_log() {
  google --output /dev/null --request POST --header "Content-Type: text/plain; charset=utf-8" \
    --data-binary "@$LOG" "$(storage)/upload/storage/v1/b/$TIDEWHEEL_STATE_BUCKET/o?uploadType=media&name=logs%2F$NAME.log"
}

ship_log_as_it_grows() {
  local shipped=0 size
  while sleep "$SHIP_EVERY_SECONDS"; do
    size="$(stat --format %s "$LOG")"
    if [ "$size" != "$shipped" ] && ship_log; then shipped="$size"; fi
  done
}

fetch_code() {
  local where object
  where="$(ask instance/attributes/tidewheel-worker)"
  where="${where#gs://}"
  object="${where#*/}"
  google --output "$FOLDER/worker.zip" "$(storage)/storage/v1/b/${where%%/*}/o/${object//\//%2F}?alt=media"
  python3 -m zipfile --extract "$FOLDER/worker.zip" "$FOLDER/code"
}

# A machine that has just started may be updating itself, and keeps others out meanwhile.
install_venv() {
  for _ in 1 2 3 4 5 6; do
    if apt-get update && apt-get --option DPkg::Lock::Timeout=120 install --yes python3-venv; then return; fi
    sleep 10
  done
  return 1
}

# An image that has the packages says so by TIDEWHEEL_PYTHON; every other gets them, which takes a minute.
install_packages() {
  PYTHON="${TIDEWHEEL_PYTHON:-$FOLDER/venv/bin/python}"
  if [ -z "${TIDEWHEEL_PYTHON:-}" ]; then
    python3 -m venv "$FOLDER/venv" || { install_venv && python3 -m venv --clear "$FOLDER/venv"; }
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --requirement "$FOLDER/code/requirements.txt"
  fi
}

give_back_when_preempted() {
  until [ "$(ask 'instance/preempted?wait_for_change=true&timeout_sec=60' 2>/dev/null || sleep 5)" = "TRUE" ]; do :; done
  echo "Compute Engine takes this machine back: its training is handed back."
  kill -TERM "$1"
}

train() {
  local limit
  limit=$((${TIDEWHEEL_TRAINING_DEADLINE_SECONDS:-3600} + PAST_DEADLINE_SECONDS))
  ask instance/attributes/tidewheel-task >"$FOLDER/task.json"
  cd "$FOLDER/code"
  timeout --kill-after="$LAST_WORDS_SECONDS" "$limit" "$PYTHON" -u -m training_vm "$FOLDER/task.json" &
  WORKER=$!
  give_back_when_preempted "$WORKER" &
  wait "$WORKER"
}

end() {
  local code=$?
  trap - EXIT TERM
  # shellcheck disable=SC2046
  kill $(jobs -p) 2>/dev/null || true
  # A training that still goes on gives its lease back. (A plain `wait` would wait for tee, which waits for us.)
  if [ -n "$WORKER" ]; then wait "$WORKER" || true; fi
  echo "$NAME ends with code $code, and is deleted."
  # What was said has to pass through tee.
  sleep 0.5
  ship_log || true
  google --output /dev/null --request DELETE \
    "${TIDEWHEEL_COMPUTE_URL:-https://compute.googleapis.com}/compute/v1/projects/$PROJECT/zones/$ZONE/instances/$NAME" ||
    # A machine that may not delete itself costs less when it is off; the reconciler deletes it.
    [ -n "${GCE_METADATA_HOST:-}" ] || poweroff
}

# Also a machine that nobody has told anything has to come to its end: there, a name that is not set would stop it.
NAME="" ZONE="" PROJECT="" WORKER="" TIDEWHEEL_STATE_BUCKET=""
trap end EXIT
trap 'exit 143' TERM
mkdir -p "$FOLDER"
NAME="$(ask instance/name)"
ZONE="$(ask instance/zone)"
ZONE="${ZONE##*/}"
PROJECT="$(ask project/project-id)"
export_environment
continue_log
exec > >(tee -a "$LOG") 2>&1
ship_log_as_it_grows &
echo "$NAME has started in $ZONE."
fetch_code
install_packages
train
