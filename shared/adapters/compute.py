"""Compute Engine by its official client: a few calls, and errors that say which fate they have."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.errors import PassingError, PermanentError
from shared.settings import Settings

if TYPE_CHECKING:
    from google.api_core.retry import Retry
    from google.cloud import compute_v1

LABEL = "tidewheel", "training"
ANSWER_SECONDS, RETRY_SECONDS = 30.0, 20.0
# An insertion is known to have failed, for want of machines, within seconds; the rest is looked at later.
OPERATION_SECONDS, LONGEST_PAUSE_SECONDS = 60.0, 4.0
# As reasons, codes and messages have it; which of them it is depends on the way that the answer takes.
_OUT_OF_STOCK = (
    "ZONE_RESOURCE_POOL_EXHAUSTED",
    "STOCKOUT",
    "DOES NOT HAVE ENOUGH RESOURCES",
    "QUOTA_EXCEEDED",
    "QUOTAEXCEEDED",
)
_NOT_OFFERED = ("DOES NOT EXIST IN ZONE", "/MACHINETYPES/")
_CHANGING = ("RESOURCE_NOT_READY", "RESOURCENOTREADY")
_PASSING = ("RATELIMITEXCEEDED", "RATE_LIMIT_EXCEEDED", "QUOTA EXCEEDED", *_OUT_OF_STOCK)
_TEMPLATE, _MISSING = "/instanceTemplates/", ("not found", "cannot be found")
_REMEDY = "Look at TIDEWHEEL_MACHINE_TEMPLATE, TIDEWHEEL_ZONES and the template itself."


class OutOfStock(PassingError):
    """This zone, or our quota in it, has no such machine to spare."""


class NotOffered(OutOfStock):
    """This zone never has such machines."""


class Changing(PassingError):
    """Something is being done with this machine already."""


class Gone(PermanentError):
    """There is no such thing."""


class NoTemplate(PassingError):
    """The instance template is not there: a deployment is just exchanging it."""


class Exists(Exception):
    """A machine of this name is there already."""


@contextmanager
def fates(what: str) -> Iterator[None]:
    """Turns what Compute Engine and its HTTP client say into our errors.

    Raises:
        Exists: 409.
        OutOfStock: another zone may have one; NotOffered, if this one never will.
        Changing: the machine is being made or deleted.
        Gone: 404.
        NoTemplate: a deployment brings it, or whoever asks next knows the new one.
        PassingError: the same call will succeed later.
        PermanentError: it will not; says what is missing.
    """
    import requests
    from google.api_core import exceptions as google

    try:
        yield
    except google.Conflict as error:
        raise Exists(str(error)) from error
    except (google.ServerError, google.TooManyRequests, google.RetryError, requests.RequestException) as error:
        raise _passing(what, str(error)) from error
    except google.ClientError as error:
        raise _refused(what, error) from error


def _refused(what: str, error: Any) -> Exception:
    """A refusal in our terms; the reasons of an answer stand beside its message, and say more."""
    from google.api_core import exceptions as google

    reasons = [str(each.get("reason", "")) for each in error.errors if isinstance(each, dict)]
    words = f"{error.message} {' '.join(reasons)}"
    if _says(words, *_NOT_OFFERED):
        return NotOffered(f"Compute Engine refuses to {what}: {error.message}", _REMEDY)
    if _says(words, *_PASSING, *_CHANGING):
        return _passing(what, words)
    if isinstance(error, google.Forbidden):
        remedy = "Grant what it names to this function's service account: deploy/gcp/machines_grants.tf."
        return PermanentError(f"Google Cloud does not allow to {what}: {error.message}", remedy)
    said = f"Compute Engine refuses to {what}: {error.message}"
    if _TEMPLATE in said and any(word in said for word in _MISSING):
        return NoTemplate(said, _REMEDY)
    return (Gone if isinstance(error, google.NotFound) else PermanentError)(said, _REMEDY)


def _passing(what: str, said: str) -> PassingError:
    kind = OutOfStock if _says(said, *_OUT_OF_STOCK) else Changing if _says(said, *_CHANGING) else PassingError
    return kind(f"Compute Engine does not {what} now: {said}")


def _says(text: str, *words: str) -> bool:
    return any(word in text.upper() for word in words)


class Compute:
    """The instances of one project that train. Clients are made when they are first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def instances(self) -> list[compute_v1.Instance]:
        """All that carry our label, in any zone."""
        from google.cloud.compute_v1 import AggregatedListInstancesRequest

        request = AggregatedListInstancesRequest(project=self._settings.project, filter="labels.{}={}".format(*LABEL))
        with fates("list machines"):
            zones = list(self._instances.aggregated_list(request, retry=self._retry, timeout=ANSWER_SECONDS))
        if unknown := [zone for zone, scoped in zones if _is_unreachable(scoped)]:
            # Of a machine that is not seen a second one would be started.
            raise PassingError(f"Compute Engine does not list the machines of {', '.join(unknown)} now.")
        return [instance for _, scoped in zones for instance in scoped.instances]

    def template(self) -> compute_v1.InstanceTemplate:
        """What machines are made from."""
        name = self._settings.machine_template.rpartition("/")[2]
        with fates("read the instance template"):
            return self._templates.get(
                project=self._settings.project, instance_template=name, retry=self._retry, timeout=ANSWER_SECONDS
            )

    def insert(self, zone: str, template: str, instance: compute_v1.Instance) -> int | None:
        """Have an instance made from the template, with what `instance` says otherwise, and wait for it.

        Returns:
            The instance's id; None: the zone takes long, and may still have none.

        Raises:
            Exists: there is one of this name in the zone.
            OutOfStock: the zone has none to spare.
        """
        from google.cloud.compute_v1 import InsertInstanceRequest

        request = InsertInstanceRequest(
            project=self._settings.project, zone=zone, source_instance_template=template, instance_resource=instance
        )
        with fates("start a machine"):
            operation = self._instances.insert_unary(request, timeout=ANSWER_SECONDS)
            return operation.target_id if self._finish(zone, operation, "start a machine") else None

    def delete(self, zone: str, name: str) -> None:
        """Delete an instance, and wait for it; that it is gone is as good.

        Raises:
            Changing: it is being deleted, or made.
        """
        try:
            with fates("delete a machine"):
                operation = self._instances.delete_unary(
                    project=self._settings.project, zone=zone, instance=name, timeout=ANSWER_SECONDS
                )
                self._finish(zone, operation, "delete a machine")
        except Gone:
            return
        except Exists as error:
            raise Changing(f"{name} in {zone} is being changed: {error}") from error

    def _finish(self, zone: str, operation: compute_v1.Operation, what: str) -> bool:
        """Wait for an operation, and say whether it is done; of one that takes long, the reconciler sees the end."""
        from google.cloud.compute_v1 import Operation

        deadline, pause = time.monotonic() + OPERATION_SECONDS, 0.25
        while operation.status != Operation.Status.DONE and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            which = {"project": self._settings.project, "zone": zone, "operation": operation.name}
            operation = self._operations.get(which, retry=self._retry, timeout=ANSWER_SECONDS)
        _refuse_errors(operation.error.errors, what)
        return bool(operation.status == Operation.Status.DONE)

    @cached_property
    def _instances(self) -> compute_v1.InstancesClient:
        from google.cloud.compute_v1.services.instances import InstancesClient
        from google.cloud.compute_v1.services.instances.transports import InstancesRestTransport

        return InstancesClient(transport=self._transport(InstancesRestTransport))

    @cached_property
    def _templates(self) -> compute_v1.InstanceTemplatesClient:
        from google.cloud.compute_v1.services.instance_templates import InstanceTemplatesClient
        from google.cloud.compute_v1.services.instance_templates.transports import InstanceTemplatesRestTransport

        return InstanceTemplatesClient(transport=self._transport(InstanceTemplatesRestTransport))

    @cached_property
    def _operations(self) -> compute_v1.ZoneOperationsClient:
        from google.cloud.compute_v1.services.zone_operations import ZoneOperationsClient
        from google.cloud.compute_v1.services.zone_operations.transports import ZoneOperationsRestTransport

        return ZoneOperationsClient(transport=self._transport(ZoneOperationsRestTransport))

    def _transport(self, kind: Any) -> Any:
        """Google's own server, unless the tests have another."""
        if not self._settings.compute_url:
            return kind()
        from google.auth.credentials import AnonymousCredentials

        scheme, _, host = self._settings.compute_url.partition("://")
        return kind(host=host, url_scheme=scheme, credentials=AnonymousCredentials())

    @cached_property
    def _retry(self) -> Retry:
        """For questions; what changes something is asked once, and again by whoever is called again."""
        from google.api_core import exceptions as google
        from google.api_core.retry import Retry, if_exception_type

        return Retry(if_exception_type(google.ServerError), initial=0.5, timeout=RETRY_SECONDS)


def _is_unreachable(scoped: Any) -> bool:
    return bool(scoped.warning.code == "UNREACHABLE")


def _refuse_errors(errors: Sequence[Any], what: str) -> None:
    """An operation that has ended in an error says so in its own words."""
    if not errors:
        return
    said = "; ".join(f"{each.code}: {each.message}" for each in errors)
    codes = [each.code for each in errors]
    if any("ALREADY_EXISTS" in each for each in codes):
        raise Exists(said)
    if any("RESOURCE_NOT_FOUND" in each for each in codes):
        raise Gone(f"Compute Engine cannot {what}: {said}", _REMEDY)
    if any(each.startswith(("PERMISSION", "INVALID", "CONDITION_NOT_MET")) for each in codes):
        raise PermanentError(f"Compute Engine refuses to {what}: {said}", "Mend what it names.")
    raise _passing(what, said)


def age_seconds(instance: compute_v1.Instance) -> float:
    """For how long it has been there."""
    return time.time() - datetime.fromisoformat(instance.creation_timestamp).timestamp()
