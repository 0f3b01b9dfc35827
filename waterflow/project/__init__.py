"""The project that a pipeline belongs to: its folder, its settings, what it must not leak."""

from waterflow.project.root import (
    STATE,
    GitState,
    find_root,
    git,
    git_state,
    state_folder,
    state_path,
)

__all__ = ["STATE", "GitState", "find_root", "git", "git_state", "state_folder", "state_path"]
