"""The emulated Cloud Storage, asked by the official client."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import NotFound, NotModified, PreconditionFailed, TooManyRequests
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.emulated import laptop

TOPIC = "projects/tidewheel-test/topics/landed"
SUBSCRIPTION = "projects/tidewheel-test/subscriptions/landed"


def connect(server: laptop.Server) -> storage.Client:
    """The official client, as unaware as it is in production."""
    options = {"api_endpoint": f"http://127.0.0.1:{server.port}"}
    return storage.Client(project="tidewheel-test", credentials=AnonymousCredentials(), client_options=options)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[storage.Client]:
    with laptop.storage(tmp_path_factory.mktemp("storage")) as server:
        yield connect(server)


@pytest.fixture
def bucket(client: storage.Client) -> storage.Bucket:
    return client.create_bucket(f"bucket-{uuid.uuid4().hex}")


def test_of_32_racers_for_one_name_one_wins(bucket: storage.Bucket) -> None:
    winners, losers = [], []

    def race(number: int) -> None:
        try:
            bucket.blob("claim").upload_from_string(f"{number}", if_generation_match=0)
            winners.append(number)
        except PreconditionFailed:
            losers.append(number)

    racers = [threading.Thread(target=race, args=(number,)) for number in range(32)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert (len(winners), len(losers)) == (1, 31)
    assert bucket.blob("claim").download_as_text() == f"{winners[0]}"


def test_compare_and_set_loses_no_update(bucket: storage.Bucket) -> None:
    bucket.blob("counter").upload_from_string("0")

    def count_to_ten() -> None:
        done = 0
        while done < 10:
            counter = bucket.get_blob("counter")
            try:
                number = int(counter.download_as_text(if_generation_match=counter.generation)) + 1
                counter.upload_from_string(f"{number}", if_generation_match=counter.generation)
                done += 1
            except (PreconditionFailed, NotFound):
                # NotFound: the generation that was looked at has been replaced before it was read.
                continue

    counters = [threading.Thread(target=count_to_ten) for _ in range(5)]
    for counter in counters:
        counter.start()
    for counter in counters:
        counter.join()
    assert bucket.blob("counter").download_as_text() == "50"


def test_a_file_of_unknown_length_can_be_streamed_up_and_down(bucket: storage.Bucket) -> None:
    for size in (0, 1, 256 * 1024, 1_000_000):
        content = os.urandom(size)
        with bucket.blob("stream").open("wb", chunk_size=256 * 1024) as writer:
            writer.write(content)
        with bucket.blob("stream").open("rb", chunk_size=256 * 1024) as reader:
            assert reader.read() == content


def test_a_refusal_reads_like_googles(bucket: storage.Bucket) -> None:
    blob = bucket.blob("once")
    blob.upload_from_string("first")
    with pytest.raises(PreconditionFailed, match="At least one of the pre-conditions you specified did not hold"):
        blob.delete(if_generation_match=blob.generation + 1)


def test_a_resumable_upload_is_as_conditional_as_a_simple_one(bucket: storage.Bucket) -> None:
    content = os.urandom(600_000)
    first, second = (bucket.blob("big", chunk_size=256 * 1024) for _ in range(2))
    first.upload_from_string(content, if_generation_match=0)
    assert bucket.blob("big").download_as_bytes() == content
    with pytest.raises(PreconditionFailed):
        second.upload_from_string(b"other" * 100_000, if_generation_match=0)
    assert bucket.blob("big").download_as_bytes() == content


def test_an_upload_that_began_in_time_loses_to_one_that_ended_before_it(bucket: storage.Bucket) -> None:
    slow = bucket.blob("race", chunk_size=256 * 1024)
    session = slow.create_resumable_upload_session(if_generation_match=0)
    bucket.blob("race").upload_from_string("quick", if_generation_match=0)
    answer = bucket.client._http.put(session, data=b"slow", headers={"Content-Range": "bytes 0-3/4"})
    assert answer.status_code == 412
    assert bucket.blob("race").download_as_text() == "quick"


def test_every_kind_of_change_is_conditional(bucket: storage.Bucket) -> None:
    blob = bucket.blob("source")
    blob.upload_from_string("x")
    stale = blob.generation - 1
    bucket.copy_blob(blob, bucket, "copy", if_generation_match=0)
    blob.metadata = {"a": "b"}
    for change in (
        lambda: blob.patch(if_generation_match=stale),
        lambda: blob.delete(if_generation_match=stale),
        lambda: blob.upload_from_string("y", if_generation_not_match=blob.generation),
        lambda: bucket.copy_blob(blob, bucket, "copy", if_generation_match=0),
        lambda: bucket.copy_blob(blob, bucket, "new", if_source_generation_match=stale),
        lambda: bucket.blob("copy").rewrite(blob, if_generation_match=0),
        lambda: bucket.blob("copy").compose([blob], if_generation_match=0),
        lambda: bucket.blob("source").reload(if_generation_match=stale),
    ):
        with pytest.raises(PreconditionFailed):
            change()
    assert bucket.get_blob("source").metadata is None
    assert bucket.get_blob("new") is None


def test_a_reader_who_has_seen_this_generation_gets_304(bucket: storage.Bucket) -> None:
    blob = bucket.blob("seen")
    blob.upload_from_string("x")
    with pytest.raises(NotModified):
        bucket.blob("seen").reload(if_generation_not_match=blob.generation)


def test_only_the_living_generation_can_be_read(bucket: storage.Bucket) -> None:
    blob = bucket.blob("twice")
    blob.upload_from_string("old")
    old = blob.generation
    blob.upload_from_string("new")
    assert blob.generation > old
    with pytest.raises(NotFound):
        bucket.blob("twice", generation=old).download_as_bytes()


def test_generations_increase_also_past_a_delete(bucket: storage.Bucket) -> None:
    generations = []
    for _ in range(20):
        blob = bucket.blob("again")
        blob.upload_from_string("")
        generations.append(blob.generation)
        blob.delete()
    assert generations == sorted(set(generations))


def test_content_is_kept_byte_for_byte(bucket: storage.Bucket) -> None:
    for content in (b"", b"\r\n", b"\n--x\r\n\r\n", bytes(range(256)) * 40, b'{"json": true}'):
        bucket.blob("bytes").upload_from_string(content, content_type="application/json")
        assert bucket.blob("bytes").download_as_bytes() == content


def test_names_that_are_no_file_names_are_kept_apart(bucket: storage.Bucket) -> None:
    names = ["a", "a/", "a/b", "../../a", "a//b", "ä/ö ü", "x" * 500]
    for name in names:
        bucket.blob(name).upload_from_string(name)
    assert {blob.name for blob in bucket.list_blobs()} == set(names)
    assert all(bucket.blob(name).download_as_text() == name for name in names)


def test_a_listing_goes_through_prefixes_and_pages(bucket: storage.Bucket) -> None:
    for name in ("b", "d/1", "d/2", "e/1", "f", "g/x/y"):
        bucket.blob(name).upload_from_string("")
    listing = bucket.list_blobs(delimiter="/", page_size=2)
    assert [blob.name for blob in listing] == ["b", "f"]
    assert listing.prefixes == {"d/", "e/", "g/"}
    assert [blob.name for blob in bucket.list_blobs(page_size=2)] == ["b", "d/1", "d/2", "e/1", "f", "g/x/y"]
    assert [blob.name for blob in bucket.list_blobs(prefix="d/", max_results=1)] == ["d/1"]


def test_a_batch_with_a_precondition_is_refused_rather_than_run_without_it(bucket: storage.Bucket) -> None:
    bucket.blob("kept").upload_from_string("x")
    with pytest.raises(Exception, match="Preconditions inside a batch"), bucket.client.batch():
        bucket.blob("kept").delete(if_generation_match=1)
    assert bucket.get_blob("kept")


def test_what_was_confirmed_survives_kill_9(tmp_path: Path) -> None:
    confirmed: dict[str, int] = {}
    with laptop.storage(tmp_path) as server:
        bucket = connect(server).create_bucket("durable")
        writer = threading.Thread(target=_write_until_it_fails, args=(bucket, confirmed))
        writer.start()
        laptop.wait_for(lambda: len(confirmed) > 50)
        server.kill()
        writer.join()
    with laptop.storage(tmp_path) as server:
        bucket = connect(server).bucket("durable")
        found = {blob.name: blob.generation for blob in bucket.list_blobs()}
        assert confirmed.items() <= found.items()
        assert all(bucket.blob(name).download_as_text() == name for name in found)
        assert all((tmp_path / ".cloudstorage" / "durable" / name).read_text() == name for name in found)


def _write_until_it_fails(bucket: storage.Bucket, confirmed: dict[str, int]) -> None:
    for number in range(100_000):
        blob = bucket.blob(f"object-{number}")
        try:
            blob.upload_from_string(blob.name, if_generation_match=0, retry=None)
        except OSError:
            return
        confirmed[blob.name] = blob.generation


def test_a_second_update_within_a_second_is_refused_where_asked_for(tmp_path: Path) -> None:
    with laptop.storage(tmp_path, "--rate-limit") as server:
        bucket = connect(server).create_bucket("hasty")
        bucket.blob("a").upload_from_string("1", retry=None)
        bucket.blob("b").upload_from_string("1", retry=None)
        with pytest.raises(TooManyRequests):
            bucket.blob("a").upload_from_string("2", retry=None)
        # The official client waits and tries again, as it does with Cloud Storage.
        bucket.blob("a").upload_from_string("3", if_generation_match=bucket.get_blob("a").generation)
        assert bucket.blob("a").download_as_text() == "3"


def test_a_notification_survives_both_an_absent_pubsub_and_kill_9(tmp_path: Path) -> None:
    port = laptop.free_port()
    notify = ["--notify-bucket", "landing", "--pubsub-topic", TOPIC, "--pubsub-host", f"127.0.0.1:{port}"]
    with laptop.storage(tmp_path / "storage", *notify) as server:
        client = connect(server)
        before = client.create_bucket("landing").blob("taxi_fare/before.csv")
        before.upload_from_string("x", content_type="text/csv")
        client.create_bucket("elsewhere").blob("unannounced").upload_from_string("x")
        server.kill()
    with laptop.storage(tmp_path / "storage", *notify) as server, laptop.pubsub(tmp_path, port):
        subscriber = _subscribe(port)
        after = connect(server).bucket("landing").blob("taxi_fare/before.csv")
        after.upload_from_string("yy", content_type="text/csv")
        first, second = _pull(subscriber, 2)
    assert [first["data"]["generation"], second["data"]["generation"]] == [
        str(before.generation),
        str(after.generation),
    ]
    assert first["attributes"] == {
        "notificationConfig": "projects/_/buckets/landing/notificationConfigs/1",
        "eventType": "OBJECT_FINALIZE",
        "payloadFormat": "JSON_API_V1",
        "bucketId": "landing",
        "objectId": "taxi_fare/before.csv",
        "objectGeneration": str(before.generation),
        "eventTime": first["data"]["updated"],
    }
    assert second["attributes"]["overwroteGeneration"] == str(before.generation)
    assert {key: second["data"][key] for key in ("kind", "bucket", "name", "size", "contentType", "md5Hash")} == {
        "kind": "storage#object",
        "bucket": "landing",
        "name": "taxi_fare/before.csv",
        "size": "2",
        "contentType": "text/csv",
        "md5Hash": after.md5_hash,
    }


def _subscribe(port: int) -> Any:
    import grpc
    from google.pubsub_v1 import PublisherClient, SubscriberClient

    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    PublisherClient(transport=PublisherClient.get_transport_class("grpc")(channel=channel)).create_topic(name=TOPIC)
    subscriber = SubscriberClient(transport=SubscriberClient.get_transport_class("grpc")(channel=channel))
    subscriber.create_subscription(name=SUBSCRIPTION, topic=TOPIC)
    return subscriber


def _pull(subscriber: Any, count: int) -> list[dict[str, Any]]:
    received: dict[str, Any] = {}

    def enough() -> bool:
        for each in subscriber.pull(subscription=SUBSCRIPTION, max_messages=10, timeout=30).received_messages:
            received[each.message.message_id] = each.message
        return len(received) >= count

    laptop.wait_for(enough)
    ordered = sorted(received.values(), key=lambda message: message.attributes["objectGeneration"])
    return [{"data": json.loads(each.data), "attributes": dict(each.attributes)} for each in ordered]
