"""This module is the addresses of the storage pages; keys and names of objects stand in the query, as they may hold any character."""

from django.urls import path

from . import model_views, views

app_name = "storage"
urlpatterns = [
    path("", views.index, name="index"),
    path("kv/<str:bucket>/", views.keys, name="keys"),
    path("kv/<str:bucket>/key", views.key, name="key"),
    path("kv/<str:bucket>/value", views.value, name="value"),
    path("models/", model_views.index, name="models"),
    path("models/<str:bucket>/", model_views.query, name="query"),
    path("models/<str:bucket>/model", model_views.model, name="model"),
    path("models/<str:bucket>/indexes", model_views.indexes, name="indexes"),
    path("objects/<str:bucket>/", views.objects, name="objects"),
    path("objects/<str:bucket>/object", views.one_object, name="object"),
    path("objects/<str:bucket>/check", views.check, name="check"),
    path("objects/<str:bucket>/download", views.download, name="download"),
]
