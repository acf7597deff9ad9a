"""This module is what Daphne runs: pages over HTTP, and the live socket for signed-in people from our own origin."""

from __future__ import annotations

import gc
import os
import warnings

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cimadmin.settings")
pages = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402  (Django must be set up first)
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

from apps.live.consumer import LiveConsumer  # noqa: E402

from .broken_answers import close_broken_answers  # noqa: E402
from .origin import OnlyOwnOrigin  # noqa: E402

# WhiteNoise hands Django a file, which is a synchronous iterator; under ASGI Django reads it in a thread and says so each time.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators", category=Warning)

close_broken_answers()
application = ProtocolTypeRouter({
    "http": pages,
    "websocket": OnlyOwnOrigin(AuthMiddlewareStack(URLRouter([path("live", LiveConsumer.as_asgi())]))),
})  # fmt: skip

# What a web process has loaded stays: looked through again and again, it would hold up some page by 80 ms now and then.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 50, 100)
