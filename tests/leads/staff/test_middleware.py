from resource import RUSAGE_THREAD, getrusage

from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import reverse

from leads.staff.middleware import OneChunkMiddleware

CALLS = 200


def test_no_depth_of_calls_on_a_staff_page_takes_memory_again_and_again():
    faults = {}

    def calls_at_each_depth(request):
        for depth in range(200):  # these frames take more than a chunk of 16 kB
            before = getrusage(RUSAGE_THREAD).ru_minflt
            call_often(depth)
            faults[depth] = getrusage(RUSAGE_THREAD).ru_minflt - before
        return HttpResponse()

    OneChunkMiddleware(calls_at_each_depth)(RequestFactory().get(reverse("admin:index")))
    assert max(faults.values()) < CALLS / 4, faults


def call_often(depth):
    """Call a function CALLS times, below so many other calls."""
    if depth:
        call_often(depth - 1)
    else:
        for _ in range(CALLS):
            call_with_a_larger_frame()


def call_with_a_larger_frame():
    max(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)
