"""The program of the processing step: it knows where SageMaker puts things, and no Waterflow."""

import argparse
import os
import pathlib

parser = argparse.ArgumentParser()
parser.add_argument("--times", type=int)
times = parser.parse_args().times
letters = pathlib.Path("/opt/ml/processing/input/letters.txt").read_text()
pathlib.Path("/opt/ml/processing/prepared/data.txt").write_text(letters * times)
pathlib.Path("/opt/ml/processing/notes/note.txt").write_text(os.environ["NOTE"])
