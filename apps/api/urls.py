"""This module is the addresses of the API. They end without a slash."""

from django.urls import path, re_path

from . import document_view, run_views, views

app_name = "api"
urlpatterns = [
    path("openapi.json", document_view.openapi, name="openapi"),
    path("operations", views.operations, name="operations"),
    path("operations/<slug:operation>", views.operation, name="operation"),
    path("operations/<slug:operation>/plan", views.plan, name="plan"),
    path("operations/<slug:operation>/dry-run", views.dry_run, name="dry_run"),
    path("operations/<slug:operation>/confirm", views.confirm, name="confirm"),
    path("runs", run_views.runs, name="runs"),
    path("runs/<slug:run_id>", run_views.run, name="run"),
    re_path(r"^runs/(?P<run_id>[-\w]+)/(?P<word>pause|resume|cancel)$", run_views.control, name="control"),
    path("runs/<slug:run_id>/limit", run_views.limit, name="limit"),
    path("problems/<slug:name>", views.problem, name="problem"),
]
