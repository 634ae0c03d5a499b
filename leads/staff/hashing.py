import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from leads.staff import bulkhead

NICENESS = 10


class PasswordHasher(PBKDF2PasswordHasher):
    """Django's, in a thread of low priority, and without a place.

    A hash takes some tenths of a second of a processor. So a flood of logins takes no time from customers and staff.
    """

    def encode(self, *args: Any, **kwargs: Any) -> str:
        with bulkhead.left():
            return _thread.submit(super().encode, *args, **kwargs).result()


def _lower_priority() -> None:
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


_thread = ThreadPoolExecutor(1, "password hashing", initializer=_lower_priority)
