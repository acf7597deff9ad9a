"""This module is addresses whose views fail, so that the answers to failures can be looked at."""

from typing import NoReturn

from django.http import HttpRequest
from django.urls import path

from apps.persistence.errors import ServerRefused, StreamNotFound, Unreachable, VersionConflict
from cimadmin.urls import handler400, handler403, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


def bug(request: HttpRequest) -> NoReturn:
    raise RuntimeError("a secret detail")


def no_stream(request: HttpRequest) -> NoReturn:
    raise StreamNotFound("ORDERS")


def no_server(request: HttpRequest) -> NoReturn:
    raise Unreachable("No NATS server answers at nats://10.0.0.4:4222; start it, or correct CIM_NATS_URL.")


def too_late(request: HttpRequest) -> NoReturn:
    raise VersionConflict("sales.order.7", expected=3, actual=4)


def refused(request: HttpRequest) -> NoReturn:
    raise ServerRefused("maximum messages exceeded", code=503, err_code=10077)


urlpatterns = [
    path("bug", bug),
    path("no-stream", no_stream),
    path("no-server", no_server),
    path("too-late", too_late),
    path("refused", refused),
    *urlpatterns,
]
