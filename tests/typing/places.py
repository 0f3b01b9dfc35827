"""What the launcher imports by name in the job: each cloud's place is what the launcher expects."""

from waterflow_sagemaker.job.place import Place

from waterflow.runtime import launch

PLACES: list[type[launch.Place]] = [Place]
