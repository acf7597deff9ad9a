"""Bad days as a person at the screen meets them: the server gone, the web process gone, no worker, hostile text, a huge event."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.store import Outgoing, Store, append, ensure_stream, store_message
from tests.browser.conftest import SignIn
from tests.browser.running_console import RunningConsole

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
RESTORED_MS = 10_000


def wait_until_live(page: Page) -> None:
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live", timeout=RESTORED_MS)


def place_order(console: RunningConsole, name: str) -> None:
    async def place(store: Store) -> None:
        await append(store, Head(aggregate=AggregateRef("shop", "basket", name)), [NewEvent(type="opened")])

    console.do(place)


def test_a_page_says_that_the_server_is_away_and_is_right_again_by_itself(own_console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(own_console)
    page.goto("/streams/CIM-EVENTS/")
    wait_until_live(page)

    own_console.nats.kill()
    expect(page.locator("#live-state")).to_have_attribute("data-state", "reconnecting", timeout=RESTORED_MS)
    own_console.nats.start()
    place_order(own_console, "after-the-outage")

    expect(page.locator("main")).to_contain_text("basket.opened", timeout=RESTORED_MS)
    wait_until_live(page)


def test_a_page_asked_for_while_the_server_is_away_says_what_to_do(own_console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(own_console)
    page.goto("/streams/")
    own_console.nats.kill()

    answer = page.goto("/streams/CIM-EVENTS/")

    assert answer is not None
    assert answer.status == 503
    expect(page.locator("main")).to_contain_text(re.compile("nats", re.IGNORECASE))
    own_console.nats.start()


def test_a_command_without_an_answer_is_sent_again_only_by_a_person(own_console: RunningConsole, sign_in: SignIn) -> None:
    page, posts = sign_in(own_console), list[str]()
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.goto("/aggregates/sales.order/new/create/")
    page.get_by_label("Customer").fill("c-0001")
    page.get_by_label("Currency").select_option("EUR")
    own_console.nats.kill()
    page.get_by_role("button", name="Create").click()
    expect(page.locator("main")).to_contain_text("It is not known whether the command was sent.", timeout=60_000)

    own_console.nats.start()
    wait_until_live(page)

    expect(page.get_by_role("button", name="Send the same form again")).to_be_visible()
    assert len(posts) == 1
    page.get_by_role("button", name="Send the same form again").click()
    expect(page.locator("#sent-state")).to_contain_text("Accepted.", timeout=60_000)


def test_a_page_is_right_again_after_the_web_process_was_restarted(own_console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(own_console)
    page.goto("/streams/CIM-EVENTS/")
    wait_until_live(page)

    own_console.stop_web()
    expect(page.locator("#live-state")).to_have_attribute("data-state", "reconnecting", timeout=RESTORED_MS)
    place_order(own_console, "while-away")
    own_console.start_web()

    expect(page.locator("main")).to_contain_text("basket.opened", timeout=RESTORED_MS)
    wait_until_live(page)


def test_without_a_worker_every_page_says_so(own_console: RunningConsole, sign_in: SignIn) -> None:
    own_console.stop_worker()
    page = sign_in(own_console)

    page.goto("/projections/")

    expect(page.locator("body")).to_contain_text(re.compile("no worker", re.IGNORECASE), timeout=60_000)


def test_a_run_that_nobody_takes_up_says_that_no_worker_is_there(own_console: RunningConsole, sign_in: SignIn) -> None:
    own_console.stop_worker()
    page = sign_in(own_console)
    page.goto("/runs/new/pause/review/?projection=order-summary")
    page.get_by_label("Reason").fill("nobody is there")
    page.get_by_role("button", name="Pause order-summary").click()

    expect(page.locator("main")).to_contain_text(re.compile("worker", re.IGNORECASE))
    own_console.start_worker()
    expect(page.locator("#run-state")).to_contain_text("Finished", timeout=60_000)


def test_html_in_payloads_and_subjects_is_shown_and_never_run(console: RunningConsole, ops: Page) -> None:
    stream = "HOSTILE"

    async def store_hostile(store: Store) -> None:
        await ensure_stream(store.connection, {"name": stream, "subjects": ["hostile.>"], "allow_direct": True})
        await store_message(store.connection, Outgoing("hostile.<b>bold</b>", HOSTILE.encode(), {"X-Note": HOSTILE}))
        hostile = NewEvent(type="named", payload={HOSTILE: HOSTILE}, actor=HOSTILE, metadata={"note": HOSTILE})
        await append(store, Head(aggregate=AggregateRef("shop", "basket", "hostile")), [hostile])

    console.do(store_hostile)
    for path in (f"/streams/{stream}/", f"/streams/{stream}/1/", f"/streams/{stream}/1/?tab=headers", "/aggregates/shop.basket/hostile/"):
        ops.goto(path)
        expect(ops.locator("body")).to_contain_text("<")
        expect(ops).not_to_have_title("owned")

    ops.goto(f"/streams/{stream}/1/")
    expect(ops.locator("main")).to_contain_text(HOSTILE)


def test_an_event_of_a_megabyte_is_cut_until_all_of_it_is_asked_for(console: RunningConsole, ops: Page) -> None:
    async def store_large(store: Store) -> None:
        large = NewEvent(type="photographed", payload={"text": "wide " * 200_000 + "the very end"})
        await append(store, Head(aggregate=AggregateRef("shop", "basket", "large")), [large])

    console.do(store_large)
    ops.goto("/aggregates/shop.basket/large/")
    ops.get_by_role("link", name="Open event").first.click()
    expect(ops.locator("main")).not_to_contain_text("the very end")

    ops.get_by_role("link", name=re.compile("all", re.IGNORECASE)).last.click()

    expect(ops.locator("main")).to_contain_text("the very end")
