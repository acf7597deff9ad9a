"""This module is the addresses of the runs pages."""

from django.urls import path, re_path

from . import findings, views

app_name = "runs"
urlpatterns = [
    path("", views.index, name="index"),
    path("new/", views.choose, name="choose"),
    path("new/<slug:operation>/", views.new, name="new"),
    path("new/<slug:operation>/review/", views.review, name="review"),
    path("<slug:run_id>/", views.run, name="run"),
    re_path(r"^(?P<run_id>[-\w]+)/findings\.(?P<kind>jsonl|csv)$", findings.download, name="findings"),
    re_path(r"^(?P<run_id>[-\w]+)/(?P<word>pause|resume|cancel|limit)/$", views.control, name="control"),
]
