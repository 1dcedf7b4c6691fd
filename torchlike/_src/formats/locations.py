"""Where loaded storages go: the location tags in files, and `map_location`."""

from collections.abc import Callable
from typing import Any

from torchlike._src.formats import tensors
from torchlike._src.tensor import devices
from torchlike.storage import TypedStorage, UntypedStorage

MapLocation = Callable[[UntypedStorage, str], Any] | devices.device | str | dict[str, str] | None


def location_tag(storage: UntypedStorage | TypedStorage) -> str:
    """The tag that a file keeps for a storage: ``"cpu"``, ``"cuda:0"``."""
    return str(storage.device)


def default_restore_location(storage: UntypedStorage, location: str) -> UntypedStorage:
    """The storage on the device that the tag names.

    Raises:
        RuntimeError: if there is no such device here.
    """
    try:
        return storage.to(tensors.checked_device(location))
    except (RuntimeError, TypeError) as error:
        if "Expected one of" not in str(error) and "Invalid device" not in str(error):
            raise
        raise RuntimeError(
            f"don't know how to restore data location of {type(storage).__name__} (tagged with {location})"
        ) from None


def restorer(map_location: MapLocation) -> Callable[[UntypedStorage, str], UntypedStorage]:
    """What is to be done with each storage that is read, given its tag."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, location: default_restore_location(storage, map_location.get(location, location))
    if isinstance(map_location, (str, bytes, devices.device)):
        target = map_location.decode() if isinstance(map_location, bytes) else str(map_location)
        return lambda storage, location: default_restore_location(storage, target)

    def ask(storage: UntypedStorage, location: str) -> UntypedStorage:
        answer = map_location(storage, location)
        if answer is None:
            return default_restore_location(storage, location)
        return answer.untyped() if isinstance(answer, TypedStorage) else answer

    return ask
