"""The report: what a run came to, as one page of HTML that needs no network."""

from waterflow.report.data import Report
from waterflow.report.gather import Gathering
from waterflow.report.marking import marks
from waterflow.report.page import page

__all__ = ["Gathering", "Report", "marks", "page"]
