"""Parts of the `DataLoader`: collating, fetching, and what runs in its worker processes."""

#: Seconds between looks at whether the other side is still alive, and how long a worker may take to end.
MP_STATUS_CHECK_INTERVAL = 5.0
