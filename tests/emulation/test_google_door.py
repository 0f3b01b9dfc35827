"""Google's own client and the door, in a network that has a loopback and nothing else."""

import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.emulate_verb import without_a_way_out

_CLIENT = """
import requests
from google.cloud import aiplatform

aiplatform.init(project="here", location="europe-west4")
job = aiplatform.PipelineJob("door", "pipeline.json", pipeline_root="gs://bucket/root")
job.submit()  # asks Resource Manager, whose address nothing overrides
print(job.resource_name.rpartition("/")[0])
again = aiplatform.PipelineJob.get(job.resource_name)
print(again.state.name)
try:
    requests.get("https://elsewhere.example/")
except requests.exceptions.ProxyError:
    print("refused")
"""

_PIPELINE = {
    "pipelineSpec": {
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.16.0",
        "pipelineInfo": {"name": "door"},
        "root": {"dag": {"tasks": {}}},
        "deploymentSpec": {},
    },
    "runtimeConfig": {},
}


def _service_account() -> dict[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "client_email": "jobs@here.iam.gserviceaccount.com",
        "private_key": pem.decode(),
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def test_google_s_client_is_answered_where_there_is_no_way_out(tmp_path, monkeypatch):
    """Tokens and buckets over REST, projects and pipelines over gRPC, at Google's own names."""
    (tmp_path / "pipeline.json").write_text(json.dumps(_PIPELINE))
    (tmp_path / "key.json").write_text(json.dumps(_service_account()))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    done = without_a_way_out("google-hosts", _CLIENT, tmp_path)
    jobs = "projects/here/locations/europe-west4/pipelineJobs"
    lines = done.stdout.splitlines()[-3:]  # the client has a word of its own to say before
    assert lines == [jobs, "PIPELINE_STATE_PENDING", "refused"], done.stdout
    assert "Error" not in done.stdout
    assert "googleapis.com (" not in done.stderr
