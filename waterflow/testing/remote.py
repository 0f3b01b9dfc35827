"""The suite of remote providers: one class that a provider's tests subclass, made of its parts.

```python
from waterflow.testing import RemoteCloud, RemoteConformance

class MyCloud(RemoteCloud):
    name = "mine"
    requests = {"record": "/submissions/", "start": "POST /jobs", "stop": "/stop"}
    ...

class TestMine(RemoteConformance):
    cloud = MyCloud()
```
"""

from __future__ import annotations

from waterflow.testing.faults import Faults
from waterflow.testing.foretelling import Foretelling
from waterflow.testing.items import Items
from waterflow.testing.libraries import Libraries, Progress
from waterflow.testing.random_pipelines import RandomPipelines
from waterflow.testing.scheduling import Scheduling
from waterflow.testing.starting import Starting
from waterflow.testing.tracking import Tracking
from waterflow.testing.watching import Watching


class RemoteConformance(
    RandomPipelines,
    Libraries,
    Progress,
    Foretelling,
    Scheduling,
    Tracking,
    Watching,
    Items,
    Starting,
    Faults,
):
    """What every provider of a managed cloud must do, beside what every provider must.

    Subclass it, and describe the cloud. It needs the cloud's emulator, in the entry-point group
    `waterflow.emulators` under the provider's name. What a provider's capabilities lack must be
    refused.
    """
