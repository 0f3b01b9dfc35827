"""The calls that a cloud must answer, so that `waterflow.cloud` can run pipelines on it.

| call | SageMaker | Azure ML | Vertex AI and Kubeflow Pipelines |
|---|---|---|---|
| `newest` | ListPipelineVersions | nothing | nothing |
| `deploy` | CreatePipeline or UpdatePipeline; the version's number | the document goes into the bucket, components are registered, both under their digests; the document's is the version | the document goes into the bucket under its digest, which is the version |
| `deployed` | DescribePipeline | the document of the newest job of that display name | the document of the newest PipelineJob with that label |
| `start` | StartPipelineExecution, with the token | PUT of a job whose name is made of the token | CreatePipelineJob, whose id is made of the token |
| `resume` | RetryPipelineExecution: the same execution goes on | a new job: what was done is reused by its cache | a new PipelineJob: what was done is cached |
| `search` | ListPipelineExecutions, by their descriptions | GET of the job of that name | GetPipelineJob, or ListRuns |
| `executions` | ListPipelines, ListPipelineExecutions | list of jobs with Waterflow's tag | ListPipelineJobs with Waterflow's label |
| `sibling` | DescribePipelineExecution | GET of the job of that name | GetPipelineJob, or GetRun |
| `definition` | DescribePipelineDefinitionForExecution | the job itself | the PipelineJob's `pipelineSpec` |
| `parameters` | ListPipelineParametersForExecution | the job's `inputs` | `runtimeConfig.parameterValues` |
| `steps` | ListPipelineExecutionSteps | the job's children, from run history | `jobDetail.taskDetails` |
| `outcome` | DescribePipelineExecution | GET of the job | GetPipelineJob |
| `usage` | DescribeTrainingJob, DescribeProcessingJob | what run history has told already | GetCustomJob; nothing |
| `stop` | StopPipelineExecution | POST cancel | CancelPipelineJob |
| `log` | CloudWatch Logs, a stream a machine | `logFiles` of a child's details | Cloud Logging, by the job of the task |
| `log_tail` | GetLogEvents from the stream's end | the last bytes of the log file | Cloud Logging, the latest first; Kubeflow's server has no tail |
| `identity` | GetCallerIdentity | who the token is of | who the token is of |
| `examine` | GetRole, DescribeRepositories, DescribeSecret | the workspace, its identity | the service account |
| `copy` | CopyObject, where the data is in S3 | Copy Blob, where it is in Blob or ADLS | a rewrite, where it is in Cloud Storage |
"""  # noqa: E501 - a table

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from waterflow.cloud.document import CloudDocument

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from waterflow import spec
    from waterflow.cloud.fingerprint import Fingerprint
    from waterflow.cloud.states import NativeRun, NativeStep, Outcome
    from waterflow.data import Pinned
    from waterflow.errors import ProviderError
    from waterflow.provider import Check

D = TypeVar("D", bound=CloudDocument)


@dataclass(frozen=True)
class Deployed:
    """A native pipeline that is there.

    Attributes:
        address: What a scheduler starts it by.
        version: The version that holds the very document. Where a document travels with each start,
            the digest under which `deploy` has put it into the bucket: whoever starts a run may
            have nothing but its record.
    """

    address: str
    version: str


@dataclass(frozen=True)
class Start:
    """What is to be started.

    Attributes:
        run: The run's id.
        pipeline: The native pipeline's name.
        version: What `deploy` returned.
        parameters: The native parameters' texts.
        token: Makes two requests one: the same for the same run, and for no other.
    """

    run: str
    pipeline: str
    version: str
    parameters: Mapping[str, str]
    token: str


@dataclass(frozen=True)
class Listed:
    """An execution, as it is listed.

    Attributes:
        execution: Its native name, such as an ARN.
        started: Milliseconds since the epoch.
        runs: The ids of the runs that it was started for, the latest first: a resumed one has
            several, one that a schedule started has its short id.
    """

    execution: str
    started: int
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """What a native document of Waterflow's says of where it is from.

    Attributes:
        build: The address of the object with its spec, lock file and data.
        pipeline: The spec's pipeline.
    """

    build: str
    pipeline: str


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Machines of one type that a cloud bills for a job.

    Attributes:
        machine: The machine type.
        seconds: The billed time of each of them.
        count: How many there were.
        price: US dollars an hour of one; None where it is not known, as spot machines' is not.
    """

    machine: str
    seconds: float
    count: int
    price: float | None


class Service(ABC, Generic[D]):
    """A cloud that runs pipelines, seen from Waterflow.

    An execution is named by whatever text the cloud's own calls take.

    Attributes:
        provider: The provider's name, for errors.
        title: What people call the cloud.
        job_names: What the names of its jobs are LIKE, in the words of SQL, and no others are.
    """

    provider: str
    title: str
    job_names: str

    # --- without asking -------------------------------------------------------------------------

    @abstractmethod
    def short_id(self, execution: str) -> str:
        """Return the id by which jobs know their execution."""

    @abstractmethod
    def link(self, execution: str) -> str:
        """Return where people look at an execution."""

    @abstractmethod
    def job_link(self, run: NativeRun) -> str | None:
        """Return where people look at the job of a step; None for a step that is no job."""

    @abstractmethod
    def outputs(self, run: NativeRun) -> str:
        """Return what the names of the objects begin with that the job of a step writes."""

    def spool(self, run: NativeRun) -> str:
        """Return what the names begin with of its spool, and of the files that go with it."""
        return self.outputs(run)

    @abstractmethod
    def origin(self, definition: Mapping[str, Any]) -> Origin | None:
        """Return what a native document says of its origin; None for one of somebody else's."""

    @abstractmethod
    def natives(self, definition: Mapping[str, Any]) -> dict[str, NativeStep]:
        """Return the steps of a native document by native name, each after what it stands on."""

    @abstractmethod
    def fingerprints(self, definition: Mapping[str, Any]) -> dict[str, Fingerprint]:
        """Return what the cloud's cache knows the steps of a native document by.

        Conditions are among them, by what they compare.
        """

    @abstractmethod
    def same_steps(self, definition: Mapping[str, Any], document: D) -> bool:
        """Say whether an execution of a native document could go on as this document."""

    def parameter_key(self, definition: Mapping[str, Any], name: str, text: str) -> str | None:
        """Return what tells a parameter's value from others, of the text that the cloud has.

        Args:
            definition: The native document that declares it.
            name: The parameter.
            text: Its text; clouds write numbers in ways of their own.

        Returns:
            None where that cannot be told.
        """
        del definition, name
        return text

    def declared(self, definition: Mapping[str, Any]) -> Mapping[str, str | None]:
        """Return the texts of a native document's defaults; None for a required parameter."""
        del definition
        return {}

    # --- asking ---------------------------------------------------------------------------------

    def identity(self) -> str | None:
        """Return who asks, as the cloud knows them; None where the cloud cannot tell.

        Raises:
            AuthenticationError: The cloud does not know who asks.
        """
        return None

    def examine(self, pipeline: spec.Pipeline | None) -> Iterator[Check]:
        """Look at what runs need of the cloud beside the bucket: its roles, images, secrets.

        Args:
            pipeline: A pipeline whose own needs are looked at too.
        """
        del pipeline
        yield from ()

    def connect(self) -> None:
        """Make the clients of the cloud's SDK, before several threads use them.

        Raises:
            MissingDependencyError: The SDK is not installed.
        """

    def check_parameters(self, document: D, parameters: Mapping[str, str]) -> None:
        """Refuse native parameters that the cloud would refuse.

        Raises:
            ConfigurationError: There are some.
        """
        del document, parameters

    @abstractmethod
    def newest(self, pipeline: str) -> str | None:
        """Return the newest version of a native pipeline; None where there is none."""

    @abstractmethod
    def deploy(self, document: D, newest: str | None, *, cache: bool) -> Deployed:
        """Bring a document to the cloud, starting nothing; what is there already stays.

        What its jobs need is in the bucket.

        Args:
            document: The compiled pipeline.
            newest: What `newest` has just returned.
            cache: Whether earlier results may stand for steps in what is started of that version.

        Raises:
            ConflictError: Something of another origin has the name.
            ProviderError: The cloud refuses or fails.
        """

    def renewed(
        self, definition: Mapping[str, Any], jobs: Mapping[str, str]
    ) -> Mapping[str, Any] | None:
        """Return a native document in which no former result of some steps stands for them.

        Their files are gone, which no cloud's cache asks. What is made in their place stands for
        them in later documents that are renewed for the same jobs, so nothing of a run is in it.

        Args:
            definition: The native document.
            jobs: Native step -> the job whose result is gone.

        Returns:
            None where a cloud has no such means.
        """
        del definition, jobs
        return None

    @abstractmethod
    def deployed(self, pipeline: str) -> Mapping[str, Any] | None:
        """Return the native document that a native pipeline has now; None where there is none."""

    @abstractmethod
    def start(self, start: Start) -> str:
        """Start an execution, once for each token.

        Raises:
            ProviderError: The cloud refuses; where the error is retryable, or `may_have_begun`
                says so, whether it has begun is not known.
        """

    @abstractmethod
    def resume(self, execution: str, start: Start) -> str:
        """Go on from an execution that has failed; return the execution that does.

        Raises:
            ProviderError: As `start`.
        """

    def may_have_begun(self, error: ProviderError) -> bool:
        """Say whether a refusal may be that of a second try, after a first whose reply was lost."""
        return error.retryable

    @abstractmethod
    def search(self, pipeline: str, run_id: str, since: datetime | None = None) -> str | None:
        """Return the execution that was started for a run; None where there is none.

        Args:
            pipeline: The native pipeline's name.
            run_id: The run's id.
            since: None was started before; None where that is not known.
        """

    @abstractmethod
    def executions(self, pipeline: str | None = None) -> Iterator[Listed]:
        """Yield the executions of a native pipeline, or of all of the profile's, newest first.

        Raises:
            NotFoundError: There is no such pipeline.
        """

    @abstractmethod
    def sibling(self, execution: str, short_id: str) -> Listed:
        """Return another execution of the same native pipeline by its short id.

        Where the cloud no longer has it, its run is its short id.
        """

    @abstractmethod
    def definition(self, execution: str) -> Mapping[str, Any]:
        """Return the native document that an execution runs."""

    @abstractmethod
    def parameters(self, execution: str) -> dict[str, str]:
        """Return the texts of an execution's parameters."""

    @abstractmethod
    def steps(self, execution: str) -> dict[str, NativeRun]:
        """Return the steps that an execution has begun, by native name."""

    @abstractmethod
    def outcome(self, execution: str) -> Outcome:
        """Return what an execution as a whole is."""

    def usage(self, run: NativeRun) -> Sequence[Usage]:
        """Return the machines that the cloud bills for one job, by its own record of it.

        Several threads ask at once.

        Args:
            run: A job that has ended.

        Returns:
            Nothing where the cloud does not tell, or bills no machines.

        Raises:
            ProviderError: The cloud cannot be asked.
        """
        del run
        return ()

    @abstractmethod
    def stop(self, execution: str) -> None:
        """Ask that an execution be stopped."""

    @abstractmethod
    def log(
        self, run: NativeRun, cursor: dict[str, str], *, first_machine: bool = False
    ) -> Iterator[tuple[int, str]]:
        """Yield the lines of a step's log: milliseconds since the epoch, and the text.

        Args:
            run: The step.
            cursor: Where an earlier call has ended; this one notes where it ends in it.
            first_machine: Only what the first of several machines has printed.
        """

    def log_tail(self, run: NativeRun) -> Iterator[str]:
        """Yield what the first machine of a running step has printed last, in whichever order.

        A cloud that can reads the end of the log alone.

        Args:
            run: The step.
        """
        for _, text in self.log(run, {}, first_machine=True):
            yield text

    def shows(self, line: str) -> bool:
        """Say whether a line of a log is for people, and not for the cloud."""
        del line
        return True

    @abstractmethod
    def copy(self, pinned: Pinned, folder: str) -> bool:
        """Copy outside data into a folder of the bucket, within the cloud.

        Args:
            pinned: The data; it has a version.
            folder: The folder's name below the profile's prefix.

        Returns:
            False where it lies outside this cloud, and so must be brought by way of this machine.

        Raises:
            ArtifactError: It is gone, was changed, or has keys that cannot be names of files.
            ProviderError: The cloud refuses, or cannot be reached.
        """
