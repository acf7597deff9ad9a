"""This module is the addresses of signing in, of one's own password and tokens, and of the People page."""

from django.urls import path

from . import people_views, token_views, views

app_name = "accounts"
urlpatterns = [
    path("sign-in", views.sign_in, name="sign_in"),
    path("sign-in/<str:token>", views.link, name="link"),
    path("sign-out", views.sign_out, name="sign_out"),
    path("password", views.password, name="password"),
    path("tokens/", token_views.index, name="tokens"),
    path("tokens/<int:number>/revoke", token_views.revoke, name="revoke_token"),
    path("people/", people_views.index, name="people"),
    path("people/add", people_views.add, name="add_person"),
    path("people/<str:username>/role", people_views.change_role, name="change_role"),
    path("people/<str:username>/access", people_views.change_access, name="change_access"),
    path("people/<str:username>/link", people_views.new_link, name="new_link"),
]
