"""This module is the addresses of a log, as C2SP tlog-tiles has them, of its keys, and of a stream's stored bytes."""

from django.urls import path

from . import blocks, views

app_name = "raw_log"
urlpatterns = [
    path("log/vkeys", views.vkeys, name="vkeys"),
    path("log/vkeys/<int:number>", views.rotation, name="rotation"),
    path("log/<str:stream>/vkeys", views.vkeys_of_stream, name="vkeys_of_stream"),
    path("log/<str:stream>/checkpoint", views.checkpoint, name="checkpoint"),
    path("log/<str:stream>/tile/<path:place>", views.tile, name="tile"),
    path("audit/<str:stream>/blocks", blocks.blocks, name="blocks"),
]
