"""The sample run that the pipeline's tests share."""

from ..pipelines.sample_run import sample_run

__all__ = ["sample_run"]
