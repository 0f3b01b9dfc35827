"""MLflow's server in one process serves as the command of MLflow's does."""

from __future__ import annotations

import http.client
import json

import pytest

HOSTS = [("127.0.0.1:{port}", 200), ("localhost:{port}", 200), ("evil.example", 403)]


@pytest.mark.parametrize(("host", "status"), HOSTS, ids=[host for host, _ in HOSTS])
def test_it_answers_only_to_names_of_this_machine(host, status, server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"Host": host.format(port=server.port), "Content-Type": "application/json"}
    body = json.dumps({"max_results": 1, "order_by": ["creation_time ASC"]})
    connection.request("POST", "/api/2.0/mlflow/experiments/search", body, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status == status, text
    if status == 200:
        assert [one["name"] for one in json.loads(text)["experiments"]] == ["Default"]
