"""What learners wrote and what it was worth, kept in a database.

`open_gradebook(url)` brings the database up to date and returns the Gradebook; `models`
are the tables, `migrations` their history, `records` what goes in and out.
"""

from __future__ import annotations

from grader.gradebook.book import Gradebook, open_gradebook
from grader.gradebook.records import Attempt, Standing, Work

__all__ = ["Attempt", "Gradebook", "Standing", "Work", "open_gradebook"]
