"""Topics, subscriptions, the bucket's notification, the log's table, the clock: as the code and the laptop have it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from deploy.gcp.checks.findings import Finding
from deploy.gcp.checks.plan import Instance, Plan
from deploy.local import provision
from functions.evaluate.turn import PATIENCE, STUCK, WAIT_SECONDS
from functions.reconcile.verdicts import QUIET
from shared.errors import PermanentError
from shared.lifecycle import messages
from shared.lifecycle.events import CONSUMERS, DEAD_LETTERS, LOGGED_TOPICS, TOPICS, DropReceived

CHECK = "delivery"
LOG_TABLE = "lifecycle_log"
LEAST_PATIENCES = 2


def check(plan: Plan) -> Iterator[Finding]:
    """What would be delivered otherwise than the code expects it, or not at all."""
    yield from _compare("topic", {*TOPICS, DEAD_LETTERS}, _named(plan, "google_pubsub_topic"))
    yield from _check_subscriptions(plan)
    yield from _check_notification(plan)
    yield from _check_log_table(plan)
    yield from _check_clock(plan)
    for function in plan.of_type("google_cloudfunctions2_function"):
        if function.get("event_trigger"):
            yield _finding(
                function, "an event trigger's subscription cannot have dead letters: use a push subscription"
            )


def _check_subscriptions(plan: Plan) -> Iterator[Finding]:
    there = _named(plan, "google_pubsub_subscription")
    pushes = {f"{function}-{topic}": topic for topic, function in CONSUMERS.items()}
    logs = {f"log-{topic}": topic for topic in LOGGED_TOPICS}
    wanted = {**pushes, **logs, DEAD_LETTERS: DEAD_LETTERS}
    yield from _compare("subscription", set(wanted), there)
    for name in wanted.keys() & there.keys():
        yield from _expect(plan, there[name], _of_any(plan, wanted[name]))
        if name in pushes:
            yield from _expect(plan, there[name], _of_push(plan, there[name], pushes[name]))
            yield from _check_waiting(there[name])
        elif there[name].get("push_config"):
            yield _finding(there[name], f"{name} is pulled or written to BigQuery, and pushes to nobody")
        if name in logs:
            yield from _check_log(plan, there[name])


def _of_any(plan: Plan, topic: str) -> dict[str, Any]:
    """What every subscription has."""
    return {
        "topic": _address(_named(plan, "google_pubsub_topic").get(topic), "id"),
        "message_retention_duration": f"{provision.KEPT_SECONDS}s",
        # Otherwise it deletes itself after a month in which nothing came.
        "expiration_policy.ttl": "",
    }


def _of_push(plan: Plan, subscription: Instance, topic: str) -> dict[str, Any]:
    """What a push subscription has, as deploy/local/provision.py makes it."""
    like = provision._push(f"projects/{plan.given['project']}", topic, CONSUMERS[topic], "")
    uri = f'google_cloudfunctions2_function.functions["{CONSUMERS[topic]}"].service_config[0].uri'
    account = f'google_service_account.push["{CONSUMERS[topic]}"]'
    return {
        "ack_deadline_seconds": like["ack_deadline_seconds"],
        "retry_policy.minimum_backoff": f"{like['retry_policy']['minimum_backoff']['seconds']}s",
        "dead_letter_policy.dead_letter_topic": _address(_named(plan, "google_pubsub_topic").get(DEAD_LETTERS), "id"),
        "dead_letter_policy.max_delivery_attempts": like["dead_letter_policy"]["max_delivery_attempts"],
        "push_config.push_endpoint": f"${{{uri}}}{like['push_config']['push_endpoint']}",
        "push_config.oidc_token.service_account_email": f"${{{account}.email}}",
        "push_config.oidc_token.audience": f"${{{uri}}}",
    }


def _expect(plan: Plan, instance: Instance, wanted: Mapping[str, Any]) -> Iterator[Finding]:
    for path, value in wanted.items():
        if str(instance.get(path)) != str(value):
            yield _finding(instance, f"{instance.address}: {path} is {instance.get(path)}, and should be {value!r}")


def _check_waiting(subscription: Instance) -> Iterator[Finding]:
    """A message outlives what it waits for, and is never silent for so long that it is taken for one that is gone."""
    longest = _seconds(subscription.get("retry_policy.maximum_backoff"))
    if longest + WAIT_SECONDS >= STUCK.total_seconds():
        yield _finding(
            subscription, f"{subscription.address}: after {longest} s of silence a drop would count as stuck"
        )
    lasts = waiting_seconds(subscription)
    if lasts < LEAST_PATIENCES * PATIENCE.total_seconds():
        what = f"a message that waits would be a dead letter after {lasts} s, and others may be waited for that long"
        yield _finding(subscription, f"{subscription.address}: {what}")
    if lasts > QUIET.total_seconds():
        what = f"what comes back for {lasts} s would be asked for once more by the reconciler meanwhile"
        yield _finding(subscription, f"{subscription.address}: {what}")


def waiting_seconds(subscription: Instance) -> int:
    """For how long a message that fails at once comes back, until it is a dead letter: the sum of its pauses."""
    least, most = (_seconds(subscription.get(f"retry_policy.{which}_backoff")) for which in ("minimum", "maximum"))
    attempts = int(subscription.get("dead_letter_policy.max_delivery_attempts") or 0)
    return sum(min(most, least * 2**failures) for failures in range(attempts - 1))


def _seconds(text: Any) -> int:
    """Of Google's way to write a length of time; 0 if it is not said, or in another way."""
    number = str(text).removesuffix("s")
    return int(number) if number.isdecimal() else 0


def _check_log(plan: Plan, subscription: Instance) -> Iterator[Finding]:
    given = plan.given["project"]
    dataset = next((each.get("dataset_id") for each in plan.of_type("google_bigquery_dataset")), None)
    wanted = f"{given}.{dataset}.{LOG_TABLE}"
    if plan.known(subscription.get("bigquery_config.table")) != wanted:
        yield _finding(subscription, f"{subscription.address} does not write to {wanted}")
    if subscription.get("bigquery_config.write_metadata") is not True:
        yield _finding(subscription, f"{subscription.address} leaves out write_metadata: the log needs ids and times")
    for schema in ("use_topic_schema", "use_table_schema"):
        if subscription.get(f"bigquery_config.{schema}"):
            yield _finding(subscription, f"{subscription.address}: {schema} would refuse what people publish by hand")


def _check_log_table(plan: Plan) -> Iterator[Finding]:
    from shared.adapters.warehouse_tables import LOG

    tables = {each.get("table_id"): each for each in plan.of_type("google_bigquery_table")}
    for name in tables.keys() - {LOG_TABLE}:
        yield _finding(tables[name], f"the table {name} is made by code, so that a new model changes nothing here")
    if LOG_TABLE not in tables:
        yield Finding(check=CHECK, where="deploy/gcp", what=f"there is no table {LOG_TABLE}, which subscriptions want")
        return
    table = tables[LOG_TABLE]
    written = json.loads(table.get("schema") or "[]")
    columns = [(each["name"], each["type"], each.get("mode") == "REQUIRED") for each in written]
    if columns != LOG:
        yield _finding(table, f"{LOG_TABLE} has the columns {columns}, but the code's are {LOG}")
    if table.get("time_partitioning.field") != "publish_time":
        yield _finding(table, f"{LOG_TABLE} is not partitioned by publish_time, as the code has it")
    if not table.get("time_partitioning.expiration_ms"):
        yield _finding(table, f"{LOG_TABLE} would be kept for ever: expiration_ms")


def _check_notification(plan: Plan) -> Iterator[Finding]:
    for notification in plan.of_type("google_storage_notification"):
        bucket, topic = plan.known(notification.get("bucket")), plan.target(notification.get("topic"))
        if bucket != f"{plan.given['project']}-landing" or topic is None or topic.get("name") != DropReceived.topic:
            yield _finding(notification, f"the landing bucket has to notify {DropReceived.topic}")
        if notification.get("event_types") != ["OBJECT_FINALIZE"]:
            yield _finding(notification, "only OBJECT_FINALIZE is a drop")
        if notification.get("payload_format") != "JSON_API_V1":
            yield _finding(notification, "the notification has to say which object it is about: JSON_API_V1")
    if not plan.of_type("google_storage_notification"):
        yield Finding(check=CHECK, where="deploy/gcp", what="no bucket notifies anybody: a drop would be left lying")


def _check_clock(plan: Plan) -> Iterator[Finding]:
    """Each job's message is one that its topic's function can read; what only a clock says, some job says."""
    said, prunes = set(), False
    for job in plan.of_type("google_cloud_scheduler_job"):
        topic = plan.target(job.get("pubsub_target.topic_name"))
        name = str(topic.get("name")) if topic else "nothing"
        said.add(name)
        try:
            event = messages.decode(name, base64.b64decode(job.get("pubsub_target.data") or ""), {}, "message")
            prunes |= getattr(event, "snapshot_days", None) is not None
        except PermanentError as error:
            yield _finding(job, f"{job.address} publishes what {name} does not take: {error}")
    for unsaid in {"retraining-requested", "reconcile-requested"} - said:
        yield Finding(check=CHECK, where="deploy/gcp", what=f"no clock publishes to {unsaid}")
    if not prunes:
        yield Finding(check=CHECK, where="deploy/gcp", what="no clock asks for the end of old snapshots")


def _named(plan: Plan, kind: str) -> dict[str, Instance]:
    return {str(plan.known(each.get("name"))): each for each in plan.of_type(kind)}


def _compare(kind: str, wanted: set[str], there: Mapping[str, Instance]) -> Iterator[Finding]:
    for name in sorted(wanted - there.keys()):
        yield Finding(check=CHECK, where="deploy/gcp", what=f"there is no {kind} {name}, which the code uses")
    for name in sorted(there.keys() - wanted):
        yield _finding(there[name], f"the code knows no {kind} {name}")


def _address(instance: Instance | None, attribute: str) -> str:
    return f"${{{instance.address}.{attribute}}}" if instance else "there"


def _finding(instance: Instance, what: str) -> Finding:
    return Finding(check=CHECK, where=instance.where, what=what)
