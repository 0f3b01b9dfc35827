"""The program of the training step, as ModelTrainer's own driver starts it."""

import json
import os
import pathlib

data = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "data.txt").read_text()
model = {"letters": len(data), "depth": int(os.environ["DEPTH"])}
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(model))
