"""How much of torch a library with torch's API gets right, by the databases that torch ships for its own tests.

``python -m torchlike.testing.conformance --ops linalg --show`` prints what differs. Real torch must be
installed; nothing else in torchlike needs it. Life of a check: `entries` finds an operator by its public
name in both libraries, `bridge` carries its samples over, `checks` runs both sides, `compare` finds the
first difference, `runner` does so in worker processes, and `expected` holds the result against the list
of expected failures.
"""

from torchlike.testing.conformance.bridge import Bridge as Bridge
from torchlike.testing.conformance.compare import difference as difference
from torchlike.testing.conformance.runner import Job as Job, Report as Report, execute as execute

__all__ = ["Bridge", "Job", "Report", "difference", "execute"]
