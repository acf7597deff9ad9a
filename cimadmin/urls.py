"""This module is the map of addresses: one prefix for each area, one for each observed connection, and the pages of errors."""

from django.urls import include, path

observed = [
    path("", include("apps.search.urls")),
    path("streams/", include("apps.streams.urls")),
]

urlpatterns = [
    path("", include("apps.overview.urls")),
    path("", include("apps.accounts.urls")),
    path("", include("apps.display.urls")),
    path("", include("apps.search.urls")),
    path("streams/", include("apps.streams.urls")),
    path("at/<str:connection>/", include((observed, "at"))),
    path("aggregates/", include("apps.aggregates.urls")),
    path("projections/", include("apps.projections.urls")),
    path("audit/", include("apps.audit.urls")),
    path("", include("apps.raw_log.urls")),
    path("evolution/", include("apps.evolution.urls")),
    path("nodes/", include("apps.nodes.urls")),
    path("routes/", include("apps.routes.urls")),
    path("runs/", include("apps.runs.urls")),
    path("files/", include("apps.files.urls")),
    path("storage/", include("apps.storage.urls")),
    path("api/v1/", include("apps.api.urls")),
]

handler400 = "cimadmin.errors.bad_request"
handler403 = "cimadmin.errors.forbidden"
handler404 = "cimadmin.errors.not_found"
handler500 = "cimadmin.errors.failed"
