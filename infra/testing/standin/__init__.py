"""The stand-in for Pulumi's engine: a stack's own program is run, its resources kept in memory."""

from standin.policies import PolicyPack
from standin.project import ProjectError
from standin.result import Diagnostic, Result, StackError
from standin.stack import Stack
from standin.state import Resource, State
from standin.values import Secret

__all__ = [
    "Diagnostic",
    "PolicyPack",
    "ProjectError",
    "Resource",
    "Result",
    "Secret",
    "Stack",
    "StackError",
    "State",
]
