"""The stores that a profile's bucket may be in: each is written, run on, and read again."""

import pytest
from waterflow_kubeflow.bucket import bucket as open_bucket
from waterflow_kubeflow.profile import KubeflowSettings
from waterflow_sagemaker.store import S3Store
from waterflow_vertex.store import GCSStore

from tests.providers.kubeflow.cloud import CLOUD, KubeflowCloud
from tests.providers.vertex.cloud import CLOUD as GOOGLE
from waterflow.cloud.outside import CopyingStore
from waterflow.errors import (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    WaterflowError,
)
from waterflow.provider.state import Status
from waterflow.testing.remote_project import RemoteProject


class OnItsOwn(KubeflowCloud):
    """Kubeflow Pipelines with the store that it has come with."""

    def profile(self, bucket, prefix):
        return {**super().profile(bucket, prefix), "bucket": f"minio://{bucket}"}


class OnGoogle(KubeflowCloud):
    """Kubeflow Pipelines whose bucket is in Cloud Storage."""

    def make_bucket(self, bucket):
        GOOGLE.make_bucket(bucket)

    def profile(self, bucket, prefix):
        return {**super().profile(bucket, prefix), "bucket": f"gs://{bucket}"}

    def uri(self, bucket, name):
        return GOOGLE.uri(bucket, name)

    def write(self, uri, content):
        GOOGLE.write(uri, content)


@pytest.fixture(scope="module")
def google():
    """Cloud Storage, and a Kubeflow Pipelines whose pods have credentials for it."""
    with GOOGLE.start() as storage, GOOGLE.pointing(storage), CLOUD.start() as running:
        yield storage, running


def check(project, start):
    """Run a pipeline over data of this machine's and over data of the store, and read both."""
    (project.root / "rows.csv").write_text("12345")
    source = project.cloud.uri(project.bucket, "raw/a.csv")
    project.cloud.write(source, b"123456789")
    runs = [project.submit("measuring", source=one) for one in ("rows.csv", source)]
    states = [project.finish(run) for run in runs]
    assert [state.status for state in states] == [Status.SUCCEEDED] * 2, states
    for run, size in zip(runs, ({"rows.csv": 5}, {"a.csv": 9}), strict=True):
        assert project.values(project.fresh(run.id)) == {"measure": size}
        assert {one.uri.startswith(start) for one in run.artifacts()} == {True}
    again = project.submit("measuring", source=source)
    assert project.finish(again).steps["measure"].status is Status.CACHED


def test_a_pipeline_runs_on_the_store_that_kubeflow_has_come_with(emulator, tmp_path):
    with CLOUD.pointing(emulator):
        project = RemoteProject(OnItsOwn(), tmp_path / "project")
        check(project, f"minio://{project.bucket}/{project.prefix}/runs/")


def test_a_pipeline_runs_on_cloud_storage(google, tmp_path):
    storage, running = google
    with GOOGLE.pointing(storage), CLOUD.pointing(running):
        project = RemoteProject(OnGoogle(), tmp_path / "project")
        check(project, f"gs://{project.bucket}/{project.prefix}/runs/")
        bucket = project.provider.bucket
        tag = bucket.put_if("leases/x", b"1", None)
        assert bucket.put_if("leases/x", b"2", None) is None
        assert bucket.put_if("leases/x", b"2", tag) not in (None, tag)
        assert bucket.put_if("leases/x", b"3", tag) is None
        with pytest.raises(NotFoundError, match="no-such-bucket"):
            opened("gs://no-such-bucket").put("x", b"")


def opened(address, **settings):
    """Return a bucket of a profile's."""
    return open_bucket(
        KubeflowSettings(host="http://kubeflow.example.com", bucket=address, **settings)
    )


NOT_OPENED = [
    ("minio://mlpipeline", {}, ConfigurationError, "kubectl port-forward"),
    ("gs://ml-data", {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json"}, AuthenticationError,
     "/nowhere.json was not found.*gcloud auth application-default login"),
]  # fmt: skip


@pytest.mark.parametrize(("address", "variables", "error", "words"), NOT_OPENED)
def test_what_cannot_be_opened_is_told(address, variables, error, words, monkeypatch):
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WaterflowError, match=words) as raised:
        opened(address).get("x")
    assert isinstance(raised.value, error)


STORES = [
    # The S3 of the credentials, where the bucket's is, whether they are the same.
    (S3Store, "s3://data/a", "http://localhost:9000", "http://localhost:9000/", True),
    (S3Store, "s3://data/a", "http://localhost:9000", None, False),
    (S3Store, "s3://data/a", "http://localhost:9000", "http://localhost:9001", False),
    (S3Store, "s3://data/a", "", None, True),
    (S3Store, "s3://data/a", "", "http://localhost:9000", False),
    (GCSStore, "gs://data/a", "http://localhost:9000", None, True),
]


@pytest.mark.parametrize(("store", "uri", "own", "other", "same"), STORES)
def test_only_what_is_in_the_same_store_is_copied_within_it(
    store, uri, own, other, same, monkeypatch
):
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "us-east-1")
    if own:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", own)
    opened_store = store(uri)
    assert isinstance(opened_store, CopyingStore)
    assert opened_store.is_at(other) is same
