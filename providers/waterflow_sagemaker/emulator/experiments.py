"""Experiments, their trials, and the components of trials: records, with what belongs to what."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from waterflow_sagemaker.emulator.errors import invalid, missing
from waterflow_sagemaker.emulator.operations import methods
from waterflow_sagemaker.emulator.records import Record, Records, Request, Response

_WORDS: Final = {
    "Experiment": "Experiment",
    "Trial": "Trial",
    "TrialComponent": "Trial Component",
}
_TRIALS: Final = "Trials"
"""The member of a component that holds the names of its trials; no answer shows it."""


class Experiments(Records):
    """All experiments of the emulator's account."""

    KINDS: ClassVar[dict[str, str]] = {
        "Experiment": "experiment",
        "Trial": "experiment-trial",
        "TrialComponent": "experiment-trial-component",
    }
    OPERATIONS: ClassVar[dict[str, str]] = methods(
        "CreateExperiment",
        "DescribeExperiment",
        "ListExperiments",
        "UpdateExperiment",
        "DeleteExperiment",
        "CreateTrial",
        "DescribeTrial",
        "ListTrials",
        "UpdateTrial",
        "DeleteTrial",
        "CreateTrialComponent",
        "DescribeTrialComponent",
        "ListTrialComponents",
        "UpdateTrialComponent",
        "DeleteTrialComponent",
        "AssociateTrialComponent",
        "DisassociateTrialComponent",
    )
    """The service's operations -> our methods."""

    def create_experiment(self, request: Request) -> Response:
        """CreateExperiment."""
        return self._create("Experiment", request)

    def describe_experiment(self, request: Request) -> Response:
        """DescribeExperiment."""
        return self._describe("Experiment", request)

    def list_experiments(self, request: Request) -> Response:
        """ListExperiments."""
        with self._lock:
            records = self._kept["Experiment"].values()
            return self.listed("Experiment", records, request, "ExperimentSummaries")

    def update_experiment(self, request: Request) -> Response:
        """UpdateExperiment."""
        return self._update("Experiment", request)

    def delete_experiment(self, request: Request) -> Response:
        """DeleteExperiment, when it has no trials."""
        with self._lock:
            name = request["ExperimentName"]
            if self._trials_of(name):
                raise invalid(
                    f"Experiment '{name}' cannot be deleted because it has associated trials."
                )
            return self._delete("Experiment", request)

    def create_trial(self, request: Request) -> Response:
        """CreateTrial."""
        with self._lock:
            self._record("Experiment", request)
            return self._create("Trial", request)

    def describe_trial(self, request: Request) -> Response:
        """DescribeTrial."""
        return self._describe("Trial", request)

    def list_trials(self, request: Request) -> Response:
        """ListTrials: all, those of an experiment, those with a component."""
        with self._lock:
            records = list(self._kept["Trial"].values())
            if "ExperimentName" in request:
                self._record("Experiment", request)
                records = self._trials_of(request["ExperimentName"])
            if "TrialComponentName" in request:
                names = self._record("TrialComponent", request).members[_TRIALS]
                records = [one for one in records if one.members["TrialName"] in names]
            return self.listed("Trial", records, request, "TrialSummaries")

    def update_trial(self, request: Request) -> Response:
        """UpdateTrial."""
        return self._update("Trial", request)

    def delete_trial(self, request: Request) -> Response:
        """DeleteTrial, when it has no components."""
        with self._lock:
            name = request["TrialName"]
            if self._components_of({name}):
                raise invalid(
                    f"Trial '{name}' cannot be deleted because it has associated trial components."
                )
            return self._delete("Trial", request)

    def create_trial_component(self, request: Request) -> Response:
        """CreateTrialComponent."""
        with self._lock:
            answer = self._create("TrialComponent", request)
            self._record("TrialComponent", request).members[_TRIALS] = []
            return answer

    def describe_trial_component(self, request: Request) -> Response:
        """DescribeTrialComponent."""
        return self._describe("TrialComponent", request)

    def list_trial_components(self, request: Request) -> Response:
        """ListTrialComponents: all, those of a trial, those of an experiment."""
        with self._lock:
            records = list(self._kept["TrialComponent"].values())
            if "TrialName" in request:
                self._record("Trial", request)
                records = self._components_of({request["TrialName"]})
            if "ExperimentName" in request:
                self._record("Experiment", request)
                trials = self._trials_of(request["ExperimentName"])
                within = self._components_of({one.members["TrialName"] for one in trials})
                records = [one for one in records if one in within]
            if "SourceArn" in request:
                records = []  # none comes from a job here
            return self.listed("TrialComponent", records, request, "TrialComponentSummaries")

    def update_trial_component(self, request: Request) -> Response:
        """UpdateTrialComponent."""
        with self._lock:
            members = self._record("TrialComponent", request).members
            merged = dict(request)
            for name in ("Parameters", "InputArtifacts", "OutputArtifacts"):
                values = members.get(name, {}) | request.get(name, {})
                for key in merged.pop(f"{name}ToRemove", ()):
                    values.pop(key, None)
                if values or name in members:
                    merged[name] = values
            return self._update("TrialComponent", merged)

    def delete_trial_component(self, request: Request) -> Response:
        """DeleteTrialComponent, when it belongs to no trial."""
        with self._lock:
            component = self._record("TrialComponent", request)
            if component.members[_TRIALS]:
                raise invalid(
                    f"Trial Component '{request['TrialComponentName']}' cannot be deleted because "
                    "it is associated with trials. Disassociate it first."
                )
            return self._delete("TrialComponent", request)

    def associate_trial_component(self, request: Request) -> Response:
        """AssociateTrialComponent."""
        with self._lock:
            trial, component = (self._record(one, request) for one in ("Trial", "TrialComponent"))
            if request["TrialName"] not in component.members[_TRIALS]:
                component.members[_TRIALS].append(request["TrialName"])
            return {"TrialComponentArn": component.arn, "TrialArn": trial.arn}

    def disassociate_trial_component(self, request: Request) -> Response:
        """DisassociateTrialComponent."""
        with self._lock:
            trial, component = (self._record(one, request) for one in ("Trial", "TrialComponent"))
            if request["TrialName"] in component.members[_TRIALS]:
                component.members[_TRIALS].remove(request["TrialName"])
            return {"TrialComponentArn": component.arn, "TrialArn": trial.arn}

    # --- what they share --------------------------------------------------------------------------

    def _record(self, noun: str, request: Request) -> Record:
        name = request[f"{noun}Name"]
        if name not in self._kept[noun]:
            raise missing(f"{_WORDS[noun]} '{name}' does not exist.")
        return self._kept[noun][name]

    def _create(self, noun: str, request: Request) -> Response:
        with self._lock:
            name = request[f"{noun}Name"]
            if name in self._kept[noun]:
                word = _WORDS[noun]
                raise invalid(
                    f"{word} names must be unique within an AWS account and region. {word} with "
                    f"name ({name}) already exists."
                )
            arn = self.arn(noun, name)
            record = Record.of(arn, self._clock.now(), request)
            record.members.setdefault("DisplayName", name)
            self._kept[noun][name] = record
            return {f"{noun}Arn": arn}

    def _describe(self, noun: str, request: Request) -> Response:
        with self._lock:
            return self.shown(noun, self._record(noun, request))

    def _update(self, noun: str, request: Request) -> Response:
        with self._lock:
            record = self._record(noun, request)
            record.change(self._clock.now(), request)
            return {f"{noun}Arn": record.arn}

    def _delete(self, noun: str, request: Request) -> Response:
        with self._lock:
            record = self._record(noun, request)
            del self._kept[noun][request[f"{noun}Name"]]
            return {f"{noun}Arn": record.arn}

    def _trials_of(self, experiment: str) -> list[Record]:
        trials = self._kept["Trial"].values()
        return [one for one in trials if one.members["ExperimentName"] == experiment]

    def _components_of(self, trials: set[Any]) -> list[Record]:
        components = self._kept["TrialComponent"].values()
        return [one for one in components if trials & set(one.members[_TRIALS])]
