"""A step whose code a test changes by editing the module that it imports."""

from kit_coded_helper import SUFFIX

import waterflow as wf


@wf.step
def coded() -> str:
    """Return a word with what the helper adds."""
    return "coded" + SUFFIX
