"""One run of a program: each resource it registers is checked, compared, and made or foreseen."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import grpc
from pulumi.runtime.proto import callback_pb2, resource_pb2

from standin.goals import (
    NO_TEXT,
    PROTECTED,
    PROVIDERS,
    STRINGED,
    Goal,
    RefusalError,
    decoded,
    forced,
    keeping,
)
from standin.placing import Places
from standin.provider import DEFAULTS, Difference, Provider, ProviderError
from standin.result import Change, Diagnostic, Layer
from standin.state import STACK_TYPE, Resource, State
from standin.transforms import Callbacks, transformed, transformed_call
from standin.values import (
    UNKNOWN,
    Properties,
    Secret,
    Unknown,
    bare,
    differences,
    leaves,
    properties,
    read,
    struct,
    unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from standin.policies import PolicyPack


@dataclass
class Run:
    """A preview or an update, from the program's first registration to its last.

    Attributes:
        before: The state that the run begins with.
        after: The state as the run leaves it.
    """

    project: str
    stack: str
    config: dict[str, str]
    before: State
    preview: bool
    provider: Callable[[str], Provider]
    policies: PolicyPack | None = None
    after: State = field(default_factory=State)
    changes: dict[str, Change] = field(default_factory=dict[str, Change])
    details: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._callbacks = Callbacks()
        self._transforms: dict[str, list[callback_pb2.Callback]] = {}
        self._stack_transforms: list[callback_pb2.Callback] = []
        self._call_transforms: list[callback_pb2.Callback] = []
        self._failed: set[str] = set()
        self._renamed: set[str] = set()
        self._ignored: dict[str, list[str]] = {}
        self._replaced: list[Resource] = []
        self._places = Places()
        self.root = ""

    # What the program asks of the monitor.

    def register(self, request: Goal) -> resource_pb2.RegisterResourceResponse:
        """Answer a registration; one that failed is answered as failed, and the program goes on."""
        try:
            goal = transformed(request, self._callbacks, self._transforms_of(request))
        except grpc.RpcError as error:
            details = error.details() if isinstance(error, grpc.Call) else str(error)
            return self._refused(request, RefusalError("sdk", f"a transform raised: {details}"))
        with self._lock:
            try:
                resource = self._registered(goal)
            except RefusalError as refusal:
                return self._refused(goal, refusal)
            self._transforms[resource.urn] = list(goal.transforms)
            response = resource_pb2.RegisterResourceResponse(
                urn=resource.urn,
                id="" if isinstance(resource.id, Unknown) else bare(resource.id) or "",
                object=struct(resource.outputs),
            )
            for name, urns in resource.property_dependencies.items():
                response.propertyDependencies[name].urns.extend(urns)
            return response

    def outputs(self, urn: str, outputs: Properties) -> None:
        """Take what a component, or the stack, registers as its outputs."""
        with self._lock:
            resource = self.after.get(urn)
            if resource is None:
                self.say(
                    "error", "engine", "outputs are registered for a resource that is none", urn
                )
            elif resource.custom:
                self.say("error", "engine", "only components register outputs", urn)
            else:
                resource.outputs = outputs

    def call(self, request: resource_pb2.ResourceInvokeRequest) -> Properties:
        """Answer a function of a provider."""
        goal = transformed_call(request, self._callbacks, self._call_transforms)
        with self._lock:
            arguments = properties(goal.args)
            package = goal.tok.split(":", 1)[0]
            provider, config, _ = self._provider(package, goal.provider)
            if unknown(arguments):
                raise ProviderError(f"{goal.tok} is called with a value that is not known yet")
            return provider.invoke(goal.tok, bare(arguments), config)

    def read(self, request: resource_pb2.ReadResourceRequest) -> Resource:
        """Answer a resource that the program only looks up by its identifier."""
        with self._lock:
            package = request.type.split(":", 1)[0]
            provider, _, reference = self._provider(package, request.provider)
            urn = self._urn(request.type, request.name, request.parent)
            identifier = read(request.id)
            if isinstance(identifier, Unknown) or not identifier:
                names = provider.schemas(request.type)["outputs"]
                inputs, outputs = {}, dict.fromkeys(names, UNKNOWN)
            elif answer := provider.read(request.type, identifier):
                inputs, outputs = answer
            else:
                raise ProviderError(f"{request.type} {identifier!r} does not exist")
            resource = Resource(
                urn,
                request.type,
                request.name,
                custom=True,
                parent=request.parent,
                id=identifier,
                inputs=inputs,
                outputs=outputs,
                provider=reference,
                dependencies=list(request.dependencies),
                external=True,
            )
            self.after.resources[urn] = resource
            self.changes[urn] = "read"
            return resource

    def stack_transform(self, callback: callback_pb2.Callback) -> None:
        """Take a transform of every resource."""
        self._stack_transforms.append(callback)

    def call_transform(self, callback: callback_pb2.Callback) -> None:
        """Take a transform of every function's call."""
        self._call_transforms.append(callback)

    def say(
        self,
        severity: Literal["info", "warning", "error"],
        layer: Layer,
        message: str,
        urn: str = "",
    ) -> None:
        """Keep a message."""
        self.diagnostics.append(Diagnostic(severity, layer, message, urn))

    # What follows the program.

    def finish(self) -> None:
        """After the program: look at the whole, then remove what it no longer registers."""
        for urn, message in self._places.misplaced(self.after):
            self.say("error", "engine", message, urn)
        if self.policies is not None:
            self.diagnostics += self.policies.stack(self.after)
        if any(one.severity == "error" for one in self.diagnostics):
            self._keep_the_rest()
            return
        for old in self._replaced:
            self._removed(old)
        gone = [
            one
            for one in reversed(list(self.before))
            if one.urn not in self.after.resources and one.urn not in self._renamed
        ]
        protected = [one for one in gone if one.protect]
        for one in protected:
            self.say("error", "engine", PROTECTED.format(one.urn), one.urn)
        if protected:
            self._keep_the_rest()
            return
        for one in gone:
            self._shown(one, "delete")
            if not one.external and one.deleted_with not in {each.urn for each in gone}:
                self._removed(one)

    def _keep_the_rest(self) -> None:
        """A run that failed removes nothing: what it did not reach stays as it was."""
        for one in self.before:
            if one.urn not in self.after.resources and one.urn not in self._renamed:
                self.after.resources[one.urn] = one

    def _removed(self, old: Resource) -> None:
        """Delete a resource; one that cannot be deleted stays in the state, and is told."""
        try:
            self._delete(old)
        except ProviderError as error:
            self.say("error", "provider", f"deleting it failed: {error}", old.urn)
            self.after.resources.setdefault(old.urn, old)

    def _delete(self, old: Resource) -> None:
        if self.preview or not old.custom or old.retain or old.type.startswith(PROVIDERS):
            return
        self.provider(old.package).delete(old.type, bare(old.id))

    # One registration.

    def _transforms_of(self, request: Goal) -> list[callback_pb2.Callback]:
        """Return the resource's own transforms, its parents' from near to far, then the stack's."""
        transforms, parent = list(request.transforms), request.parent
        while parent:
            transforms += self._transforms.get(parent, [])
            resource = self.after.get(parent)
            parent = resource.parent if resource else ""
        return transforms + ([] if request.type == STACK_TYPE else self._stack_transforms)

    def _refused(self, goal: Goal, refusal: RefusalError) -> resource_pb2.RegisterResourceResponse:
        urn = self._urn(goal.type, goal.name, goal.parent)
        for message in refusal.messages:
            self.say("error", refusal.layer, message, urn)
        if not refusal.messages:
            self.say("info", refusal.layer, "skipped: what it depends on failed", urn)
        self._failed.add(urn)
        if old := self.before.get(urn):
            self.after.resources.setdefault(urn, old)
        return resource_pb2.RegisterResourceResponse(
            urn=urn, object=struct({}), result=resource_pb2.Result.FAIL
        )

    def _urn(self, token: str, name: str, parent: str) -> str:
        above = parent.split("::")[2] + "$" if parent and parent != self.root else ""
        return f"urn:pulumi:{self.stack}::{self.project}::{above}{token}::{name}"

    def _registered(self, goal: Goal) -> Resource:
        urn = self._urn(goal.type, goal.name, goal.parent)
        if goal.remote:
            raise RefusalError("engine", "a component of another language cannot run here")
        if urn in self.changes or urn in self.after.resources:
            raise RefusalError(
                "engine", f"Duplicate resource URN {urn!r}; try giving it a unique name"
            )
        if goal.parent and goal.parent not in self.after.resources:
            raise RefusalError("engine", f"its parent {goal.parent} is not registered")
        if any(one in self._failed for one in goal.dependencies):
            raise RefusalError("engine")  # the cause is told where it arose
        if strangers := [one for one in goal.dependencies if one not in self.after.resources]:
            raise RefusalError(
                "engine", *(f"it depends on {one}, which is not registered" for one in strangers)
            )
        old = self._old(goal, urn)
        resource = self._resource(goal, urn)
        if goal.type == STACK_TYPE:
            self.root = urn
        self._places.note(goal, urn)
        if not goal.custom:
            resource.outputs = dict(resource.inputs)
            self._shown(resource, "same" if old else "create")
        elif goal.type.startswith(PROVIDERS):
            self._declared_provider(resource, old)
        else:
            self._custom(goal, resource, old)
        self.after.resources[urn] = resource
        return resource

    def _resource(self, goal: Goal, urn: str) -> Resource:
        frames = goal.stackTrace.frames
        return Resource(
            urn,
            goal.type,
            goal.name,
            custom=goal.custom,
            parent=goal.parent,
            inputs=properties(goal.object),
            protect=goal.protect,
            dependencies=list(goal.dependencies),
            property_dependencies={k: list(v.urns) for k, v in goal.propertyDependencies.items()},
            retain=goal.retainOnDelete,
            deleted_with=goal.deletedWith,
            delete_before_replace=goal.deleteBeforeReplace,
            source=f"{frames[0].pc.uri}:{frames[0].pc.line}" if frames else "",
        )

    def _old(self, goal: Goal, urn: str) -> Resource | None:
        """Return the resource as it was, under this URN or under one that it had before."""
        if old := self.before.get(urn):
            return old
        aliases = [*goal.aliasURNs, *(self._alias(goal, one) for one in goal.aliases)]
        for alias in aliases:
            if (old := self.before.get(alias)) and alias not in self.after.resources:
                self._renamed.add(alias)
                return old
        return None

    def _alias(self, goal: Goal, alias: Any) -> str:
        if alias.WhichOneof("alias") == "urn":
            return alias.urn
        spec = alias.spec
        parent = spec.parentUrn or ("" if spec.noParent else goal.parent)
        urn = self._urn(spec.type or goal.type, spec.name or goal.name, parent)
        stack, project = spec.stack or self.stack, spec.project or self.project
        return urn.replace(
            f"urn:pulumi:{self.stack}::{self.project}::", f"urn:pulumi:{stack}::{project}::"
        )

    def _shown(self, resource: Resource, change: Change) -> None:
        if resource.type != STACK_TYPE:
            self.changes[resource.urn] = change

    # Providers.

    def _provider(self, package: str, reference: str) -> tuple[Provider, Properties, str]:
        """Return a package's provider, its configuration, and the reference resources keep."""
        provider = self.provider(package)
        if reference:
            resource = self.after.get(reference.rpartition("::")[0])
            if resource is None:
                raise RefusalError("engine", f"its provider {reference} is not registered")
            if resource.type != PROVIDERS + package:
                raise RefusalError(
                    "engine", f"its provider is one of {resource.type}, the type is of {package}"
                )
            return provider, resource.inputs, reference
        urn = self._urn(PROVIDERS + package, "default", "")
        prefix = f"{package}:"
        config = {k.removeprefix(prefix): v for k, v in self.config.items() if k.startswith(prefix)}
        if urn not in self.after.resources:
            resource = Resource(urn, PROVIDERS + package, "default", custom=True, id="default")
            resource.inputs = resource.outputs = decoded(provider, config)
            self._configured(provider, resource)
            self.after.resources[urn] = resource
        return provider, self.after.resources[urn].inputs, f"{urn}::default"

    def _declared_provider(self, resource: Resource, old: Resource | None) -> None:
        provider = self.provider(resource.type.removeprefix(PROVIDERS))
        resource.inputs = decoded(provider, resource.inputs)
        self._configured(provider, resource)
        resource.outputs = dict(resource.inputs)
        resource.id = old.id if old else UNKNOWN if self.preview else f"{resource.name}-provider"
        paths = differences(bare(old.inputs), bare(resource.inputs)) if old else []
        self._shown(resource, "create" if old is None else "update" if paths else "same")
        self.details |= {resource.urn: tuple(paths)} if paths else {}

    @staticmethod
    def _configured(provider: Provider, resource: Resource) -> None:
        try:
            wrong = provider.configured(resource.inputs)
        except LookupError as error:
            raise RefusalError("schema", str(error)) from error
        if wrong:
            raise RefusalError("schema", *(f"{path}: {reason}" for path, reason in wrong))

    # Resources of a provider.

    def _custom(self, goal: Goal, resource: Resource, old: Resource | None) -> None:
        provider, config, resource.provider = self._provider(resource.package, goal.provider)
        news = keeping(resource.inputs, old, list(goal.ignoreChanges))
        try:
            inputs, wrong = provider.check(
                resource.urn,
                resource.type,
                news,
                old.inputs if old else None,
                old.sequence if old else 0,
            )
        except LookupError as error:
            raise RefusalError("schema", str(error)) from error
        if wrong:
            raise RefusalError("schema", *(f"{path}: {reason}" for path, reason in wrong))
        if not self.preview and unknown(inputs):
            raise RefusalError("engine", "an input is not known: what it comes from failed")
        resource.inputs = inputs
        for path, value in leaves(bare(inputs)):
            if isinstance(value, str) and STRINGED in value:
                raise RefusalError("engine", f"{path}: {NO_TEXT}")
        self._judged(resource)
        try:
            self._carried_out(goal, resource, old, provider, config)
        except ProviderError as error:
            raise RefusalError("provider", str(error)) from error
        for name in goal.additionalSecretOutputs:
            if name in resource.outputs and not isinstance(resource.outputs[name], Secret):
                resource.outputs[name] = Secret(bare(resource.outputs[name]))

    def _judged(self, resource: Resource) -> None:
        """Ask the policies; what a mandatory one forbids is not made."""
        if self.policies is None:
            return
        answers = self.policies.resource(resource, self.after)
        errors = [one.message for one in answers if one.severity == "error"]
        # A preview goes on, as Pulumi's does, and tells all violations at once.
        self.diagnostics += [one for one in answers if self.preview or one.severity != "error"]
        if errors and not self.preview:
            raise RefusalError("policy", *errors)

    def _carried_out(
        self,
        goal: Goal,
        resource: Resource,
        old: Resource | None,
        provider: Provider,
        config: Properties,
    ) -> None:
        if old is None:
            self._created(goal, resource, provider, config)
            return
        difference = provider.diff(resource.type, old.inputs, resource.inputs)
        causes = forced(goal, difference)
        resource.id, resource.sequence = old.id, old.sequence
        if causes or old.type != resource.type:
            self._replace(resource, old, provider, config, difference)
            self.details[resource.urn] = causes or difference.changes
        elif difference.changes:
            resource.outputs = provider.update(
                resource.type,
                bare(old.id),
                (old.inputs, old.outputs),
                resource.inputs,
                preview=self.preview,
            )
            self._shown(resource, "update")
            self.details[resource.urn] = difference.changes
        else:
            # The same value may be wrapped as secret now, and was plain before.
            resource.outputs = provider.update(
                resource.type,
                bare(old.id),
                (old.inputs, old.outputs),
                resource.inputs,
                preview=True,
            )
            self._shown(resource, "same")

    def _created(
        self, goal: Goal, resource: Resource, provider: Provider, config: Properties
    ) -> None:
        if goal.importId:
            answer = provider.read(resource.type, goal.importId)
            if answer is None:
                raise ProviderError(
                    f"{resource.type} {goal.importId!r} does not exist: nothing to import"
                )
            resource.id, resource.outputs = goal.importId, answer[1]
        else:
            resource.id, resource.outputs = provider.create(
                resource.urn, resource.type, resource.inputs, config, preview=self.preview
            )
        self._shown(resource, "create")

    def _replace(
        self,
        resource: Resource,
        old: Resource,
        provider: Provider,
        config: Properties,
        difference: Difference,
    ) -> None:
        if old.protect:
            raise RefusalError("engine", PROTECTED.format(old.urn))
        resource.sequence = old.sequence + 1
        first = difference.delete_first or resource.delete_before_replace
        if not first:
            plain = {
                k: v
                for k, v in resource.inputs.items()
                if k not in resource.inputs.get(DEFAULTS, [])
            }
            plain.pop(DEFAULTS, None)
            resource.inputs, _ = provider.check(
                resource.urn, resource.type, plain, None, resource.sequence
            )
            self._replaced.append(old)
        else:
            self._delete(old)
        resource.id, resource.outputs = provider.create(
            resource.urn, resource.type, resource.inputs, config, preview=self.preview
        )
        self._shown(resource, "replace")
