"""Pipelines made up by chance: their documents violate nothing, and go by nothing else."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.providers.sagemaker.builds import build, compiled, valid
from tests.providers.sagemaker.cloud import IMAGE
from waterflow.errors import UnsupportedFeatureError


def compiled_twice(call):
    """Return a pipeline's document, after checking that it does not depend on who compiles it."""
    assembled = build(call.spec, python="3.12")
    documents = [compiled(assembled, uri=uri) for uri in ("https://one", "https://other")]
    first, second = (json.dumps(document.content) for document in documents)
    assert first == second
    return documents[0]


@settings(max_examples=150, derandomize=True)
@given(st.integers(0, 2**32), st.integers(1, 58), st.integers(0, 6))
def test_documents_violate_nothing(random_pipeline, seed, steps, gates):
    call = random_pipeline(seed, steps, gates, image=IMAGE)()
    try:
        document = compiled_twice(call)
    except UnsupportedFeatureError as error:
        assert "copies of steps" in error.feature  # noqa: PT017 - the only feature that may lack
        return
    valid(document)
    again = random_pipeline(seed, steps, gates, image=IMAGE)()
    assert json.dumps(compiled(build(again.spec)).content) == json.dumps(document.content)
