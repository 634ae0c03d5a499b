"""Runs a function as another user of this machine, as whom it has fewer rights than root."""

import json
import os
from collections.abc import Callable
from typing import Any

# Users that nobody needs to have created.
SITE_UID, OTHER_UID = 64001, 64002


def as_user(uid: int, function: Callable[[], Any]) -> Any:
    """Return what a function returns, a JSON value, in a copy of this process that belongs to a user.

    Modules that it imports should be imported before, because the user may not be allowed to read them.
    """
    reading, writing = os.pipe()
    if not (pid := os.fork()):
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            answer = json.dumps([function()])
        except BaseException as error:  # broad: the copy must end here, whatever happens
            answer = json.dumps(f"{type(error).__name__}: {error}")
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        answer = json.loads(pipe.read())
    os.waitpid(pid, 0)
    assert isinstance(answer, list), answer
    return answer[0]
