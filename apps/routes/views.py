"""This module is the routes page: routers and bridges as they stand, and its two questions."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.rights import permission_required
from apps.accounts.templatetags.rights import role
from apps.connection import ask
from apps.persistence.errors import InvalidInput
from apps.persistence.routing import Act
from apps.persistence.store import Store

from .board import read_board
from .permits import Permits, who_may
from .takers import Takers, who_takes


@require_safe
@permission_required("routes.view")
def index(request: HttpRequest) -> HttpResponse:
    subject, permit = request.GET.get("takes", "").strip(), request.GET.get("may", "").strip()
    act = request.GET.get("act", Act.PUBLISH.value)
    shown: dict[str, object] = {"takes": subject, "may": permit, "act": act, "acts": list(Act), "topic": f"routes:{role(request.user)}"}
    status = 200
    for name, text in (("takers", subject), ("permits", permit)):
        try:
            shown[name] = ask(_answer, name, text, act) if text else None
        except InvalidInput as error:
            shown[f"{name}_error"], status = str(error), 400
    return render(request, "routes/index.html", {**shown, "board": ask(read_board)}, status=status)


async def _answer(store: Store, question: str, text: str, act: str) -> Takers | Permits:
    if question == "takers":
        return await who_takes(store, text)
    if act not in set(Act):
        raise InvalidInput(f"{act[:40]!r} can be done to no subject; ask for publish or subscribe.")
    return await who_may(store, Act(act), text)
