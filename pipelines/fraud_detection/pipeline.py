"""Card fraud: from a CSV file to a registered model, if the model is good enough."""

import waterflow as wf
from pipelines.fraud_detection.steps import (
    evaluate,
    ingest,
    report_rejection,
    split,
    train,
    validate,
)


@wf.pipeline(schedule="0 3 * * 1")
def fraud_detection(
    source: wf.Data | None = None,
    rows: int = 20_000,
    fraud_rate: float = 0.02,
    seed: int = 7,
    trees: int = 60,
    learning_rate: float = 0.1,
    min_auc: float = 0.9,
) -> None:
    """Find fraudulent card payments; simulated ones unless `source` names a CSV file."""
    sets = split(validate(ingest(source, rows, fraud_rate, seed)), seed)
    model = train(sets.train, trees, learning_rate, seed)
    result = evaluate(model, sets.validation, sets.test)
    with wf.when(result.metrics["roc_auc"] >= min_auc) as gate:
        wf.register(
            model,
            name="fraud-detection",
            example=sets.example,
            metrics=result.metrics,
            alias="challenger",
        )
    with gate.otherwise():
        report_rejection(result.metrics, min_auc)
