"""A pipeline that makes, judges and registers a model, for the tests of MLflow that is managed."""

PIPELINE = """
import waterflow as wf
from sklearn.linear_model import LinearRegression


@wf.step
def fit() -> LinearRegression:
    wf.log_metrics({"loss": 0.25})
    return LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])


@wf.step
def judge(model: wf.Model) -> wf.Metrics:
    return wf.Metrics(at_two=float(model.predict([[2.0]])[0]))


@wf.pipeline
def managed() -> None:
    model = fit()
    wf.register(model, name="managed", metrics=judge(model))
"""
