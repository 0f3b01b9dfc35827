"""What SageMaker cannot honour, or has no room for: each refused while compiling, and how."""

import pytest
from waterflow_sagemaker import checks

from tests.providers.sagemaker.builds import (
    compiled,
    container,
    definition,
    function,
    native_steps,
    pipeline,
    training,
    valid,
)
from waterflow import spec
from waterflow.cloud.starting import native_parameters, value_of
from waterflow.errors import (
    ConfigurationError,
    DefinitionError,
    SeveralErrors,
    UnsupportedFeatureError,
)

SPOT = spec.Resources(spot=True)


def many(number):
    return pipeline(
        *(function(f"s{n}") for n in range(number)),
        function("all", {f"x{n}": f"s{n}" for n in range(number)}),
    )


@pytest.mark.parametrize(
    ("number", "settings", "said"),
    [
        (9, {}, None),
        (10, {}, "11 mounts (its code, its libraries, one for each step that it reads from"),
        (10, {}, 'Or write job = "training" under [profiles.NAME.steps.'),
        (10, training("all"), None),
        (20, training("all"), "of which a training job has 20"),
    ],
)
def test_the_limit_on_mounts(number, settings, said):
    if said is None:
        valid(compiled(many(number), settings))
        return
    with pytest.raises(UnsupportedFeatureError) as raised:
        compiled(many(number), settings)
    assert said in str(raised.value)


def parameters(number, text="x"):
    names = [f"p{n}" for n in range(number)]
    return pipeline(
        function("fit", {name: spec.FromParameter(name) for name in names}),
        parameters={name: spec.Parameter("string", text) for name in names},
    )


def bad_container(**options):
    inputs = {"source": spec.Input("data", spec.FromParameter("source"))}
    return pipeline(
        function("text"),
        container("tool", options.pop("command", ("run",)), options.pop("inputs", inputs),
                  **options),
        parameters={"source": spec.Parameter("data", None, optional=True),
                    "word": spec.Parameter("string", "x")},
    )  # fmt: skip


GATED = pipeline(
    container("tool", ("run", "{outputs.made}"), {}, ("made",)),
    function("gated", branch=("gate", True)),
    gates=[spec.Gate("gate", spec.Compare(spec.FromStep("tool", "made"), "==", spec.FromValue(1)))],
)
JOBS = pipeline(spec.Step(name="mapped", run=spec.Function("m", "f", over="x", fan_out="jobs")))


@pytest.mark.parametrize(
    ("graph", "error", "said"),
    [
        (parameters(99), UnsupportedFeatureError, "101 arguments, of which a job has 100"),
        (parameters(201), SeveralErrors, "has 201 parameters; SageMaker takes 200"),
        (parameters(1, "x" * 250), DefinitionError, "has 263 characters; SageMaker takes 256"),
        (pipeline(function("fit", {"ü": spec.FromParameter("ü")}),
                  parameters={"ü": spec.Parameter("integer", 1)}),
         DefinitionError, "Rename 'ü'"),
        (JOBS, UnsupportedFeatureError, 'Use fan_out="processes"'),
        (GATED, UnsupportedFeatureError, "a condition on what the container step 'tool' writes"),
        (bad_container(environment=spec.Environment(secrets={"A": "b"})),
         UnsupportedFeatureError, "secrets of a container step"),
        (bad_container(environment=spec.Environment(requirements=("x",))),
         UnsupportedFeatureError, "requirements of a container step"),
        (bad_container(environment=spec.Environment(variables={"A": "b" * 257})),
         DefinitionError, "the environment variable 'A' of the container has 257 characters"),
        (bad_container(environment=spec.Environment(variables={f"A{n}": "" for n in range(101)})),
         UnsupportedFeatureError, "101 environment variables"),
        (bad_container(retry=spec.Retry(1)), UnsupportedFeatureError, "retries=1 of a container"),
        (bad_container(outputs=tuple(f"o{n}" for n in range(10))),
         UnsupportedFeatureError, "10 outputs of a container step"),
        (bad_container(command=("run", "{inputs.source}")),
         UnsupportedFeatureError, "outside data of a parameter as input 'source'"),
        (bad_container(command=("run", "a\nb")), DefinitionError, "takes no line breaks"),
        (bad_container(command=("run", "x" * 257)), DefinitionError, "has 257 characters"),
        (bad_container(inputs={"x": spec.Input("any", spec.FromStep("text", "output", "key"))}),
         UnsupportedFeatureError, "the single entry 'key' as input 'x'"),
        (pipeline(function("fit", resources=SPOT, metrics={f"m{n}": "(.)" for n in range(41)})),
         UnsupportedFeatureError, "41 metrics. A training job takes 40"),
        (pipeline(function("fit", resources=SPOT, metrics={"loss": "(.)" + "." * 498})),
         UnsupportedFeatureError, "the expression of metric 'loss' (501 characters)"),
        (pipeline(function("fit", resources=spec.Resources(disk=20_000 * 2**30))),
         UnsupportedFeatureError, "A volume has at most 16,384 GiB"),
        (pipeline(function("fit", resources=spec.Resources(cpu=1000))),
         UnsupportedFeatureError, "a machine with 1000 vCPU for a processing job"),
    ],
)  # fmt: skip
def test_what_is_refused(graph, error, said):
    with pytest.raises(error) as raised:
        compiled(graph)
    assert said in str(raised.value)


def test_a_text_for_a_program_and_for_others():
    step = container(
        "tool", ("run", "{parameters.word}"),
        {"word": spec.Input("string", spec.FromParameter("word"))},
    )  # fmt: skip
    words = {"word": spec.Parameter("string", "naïve")}
    document = compiled(pipeline(step, parameters=words))
    assert document.encodings == {"word": "text"}
    assert definition(document)["Parameters"][0]["DefaultValue"] == "naïve"
    # Others are given it as it is too, and the launcher knows it by the flag; None needs JSON.
    used = function("fit", {"word": spec.FromParameter("word")})
    fit = native_steps(compiled(pipeline(step, used, parameters=words)))["fit"]
    [argument] = fit["Arguments"]["AppSpecification"]["ContainerArguments"]
    assert argument["Std:Join"]["Values"] == ["--text=word=", {"Get": "Parameters.word"}]
    words = {"word": spec.Parameter("string", None, optional=True)}
    with pytest.raises(UnsupportedFeatureError, match="in a container's command and elsewhere"):
        compiled(pipeline(step, used, parameters=words))
    words = {"word": spec.Parameter("string", "a\nb")}
    with pytest.raises(DefinitionError, match="takes no line breaks in a command"):
        compiled(pipeline(step, parameters=words))


def test_a_text_that_travels_as_it_is_is_read_back_and_checked():
    ordered = spec.Compare(spec.FromParameter("word"), "<", spec.FromValue("m"))
    declared = spec.Parameter("string", "")
    document = compiled(
        pipeline(
            function("fit", {"word": spec.FromParameter("word")}),
            function("behind", branch=("gate", True)),
            gates=[spec.Gate("gate", ordered)],
            parameters={"word": declared},
        )
    )
    assert document.encodings == {"word": "text"}
    for word in ("1e3", "null", "a b", '"'):
        texts = native_parameters(document, {"word": word})
        assert texts == {"word": word}
        assert value_of(declared, word) == word
        checks.check_submission(document.definition, texts)
    # SageMaker takes an empty default, and no empty value.
    assert native_parameters(document, {"word": ""}) == {}
    checks.check_submission(document.definition, {})
    with pytest.raises(
        ConfigurationError, match=r'parameters:\n  Parameter .word.: string "" is too'
    ):
        checks.check_submission(document.definition, {"word": ""})
    with pytest.raises(ConfigurationError, match=r'Step .fit.*"--text=word=a\\nb"; it must match'):
        checks.check_submission(document.definition, {"word": "a\nb"})


@pytest.mark.parametrize(
    ("parameter", "text", "value"),
    [
        (spec.Parameter("string", "x"), '"red"', "red"),
        (spec.Parameter("string", "x"), "12", "12"),
        (spec.Parameter("string", "x"), "true", "true"),
        (spec.Parameter("string", "x"), "two words", "two words"),
        (spec.Parameter("string", None, optional=True), "null", None),
        (spec.Parameter("integer", 1), "12", 12),
        (spec.Parameter("json", None), "[1]", [1]),
        (spec.Parameter("data", None), "12", "12"),
    ],
)
def test_a_value_is_read_from_what_the_cloud_was_given(parameter, text, value):
    assert value_of(parameter, text) == value
