"""The pages of read models: where they lie, queries with their plans and figures, one model with what made it, indexes."""

from __future__ import annotations

import pytest

from apps.persistence.read_models import READ_MODELS_BUCKET, ReadModelStore
from apps.persistence.store import Store, ensure_bucket, kv_put
from apps.persistence.store.embedded import EmbeddedServer
from apps.storage.query_form import parse_value

from .conftest import Home, Visitor
from .storage_stage import HOSTILE, consumers
from .working_console import page, read

pytestmark = pytest.mark.django_db
QUERY = f"/storage/models/{READ_MODELS_BUCKET}/"


async def save_products(store: Store) -> None:
    """30 products, whose sizes are of several kinds, and a customer with a hostile name."""
    await ensure_bucket(store.connection, READ_MODELS_BUCKET, history=5)
    models = ReadModelStore(connection=store.connection)
    for number in range(30):
        size = [number, f"size {number}", None][number % 3]
        shelf = "garden" if number < 10 else "kitchen"
        await models.save("product", f"p{number:02}", {"shelf": shelf, "price": number, "size": size}, last_event_position=number + 1)
    await models.save("customer", "c1", {"name": HOSTILE})
    await models.save("product", "p00", {"shelf": "garden", "price": 99, "size": 0}, last_event_position=40)
    await ensure_bucket(store.connection, "mixed", history=1)
    await ReadModelStore(connection=store.connection, bucket="mixed").save("a", "good", {"n": 1})
    await kv_put(store.connection, "mixed", "a.bad", b"not a model")
    await ensure_bucket(store.connection, "no-models", history=1)
    await kv_put(store.connection, "no-models", "some.key", b"not a model")


@pytest.fixture(scope="module")
def full_server(home_server: EmbeddedServer) -> EmbeddedServer:
    Home(home_server).run(save_products)
    return home_server


@pytest.fixture
def full(full_server: EmbeddedServer, home: Home) -> Home:
    return home


def test_bucket_of_models_is_listed(full: Home, viewer: Visitor) -> None:
    assert f"{READ_MODELS_BUCKET} Models of no projection of this console. 31" in read(viewer, "/storage/models/")


def test_models_can_be_browsed_by_type(full: Home, viewer: Visitor) -> None:
    text = read(viewer, f"{QUERY}?pattern=customer.>")

    assert "All customer 1 product 30" in text
    assert "customer.c1" in text
    assert "1 match" in text


def test_query_filters_sorts_and_pages(full: Home, viewer: Visitor) -> None:
    text = read(viewer, f"{QUERY}?pattern=product.>&field=shelf&op=eq&value=kitchen&sort=price&direction=descending&fields=price,shelf")

    assert 'product.p29 29 "kitchen"' in text
    assert text.index("product.p29") < text.index("product.p28")
    assert "page 1 of 1 · 20 match" in text


def test_second_page_goes_on_where_the_first_ends(full: Home, viewer: Visitor) -> None:
    text = read(viewer, f"{QUERY}?pattern=product.>&page=2")

    assert "product.p25" in text
    assert "product.p24" not in text
    assert "page 2 of 2 · 30 match" in text


def test_plan_says_each_step_its_cost_and_what_else_there_was(full: Home, viewer: Visitor) -> None:
    text = read(viewer, f"{QUERY}?pattern=product.>&sort=price&direction=ascending")

    assert "Plan key_prefix by keys, cost" in text
    assert "Chosen because it costs least. Not chosen: subject_pattern, cost" in text
    assert "sort price ascending 30" in text


def test_hint_changes_the_strategy_and_the_figures_say_so(full: Home, viewer: Visitor) -> None:
    text = read(viewer, f"{QUERY}?pattern=product.>&strategy=full_scan&cache=no")

    assert "Chosen because the hints ask for it." in text
    assert "Found by full_scan" in text
    assert "Looked at 31 models" in text


def test_same_query_again_is_answered_from_memory(full: Home, viewer: Visitor) -> None:
    read(viewer, f"{QUERY}?pattern=product.>&field=price&op=gt&value=12")

    text = read(viewer, f"{QUERY}?pattern=product.>&field=price&op=gt&value=12")

    assert "Held result used" in text
    assert "Looked at 0 models" in text


def test_field_that_no_model_has_is_named(full: Home, viewer: Visitor) -> None:
    text = read(viewer, f"{QUERY}?pattern=product.>&field=colour&op=eq&value=red")

    assert "None of the models that match product.> has a field 'colour'; they have price, shelf, size." in text
    assert "No model meets the query" in text


def test_sort_over_several_kinds_of_values_says_how_they_stand(full: Home, viewer: Visitor) -> None:
    text = read(viewer, f"{QUERY}?pattern=product.>&sort=size&direction=ascending")

    assert "sorted up they stand so: nothing, numbers, text." in text


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("pattern=product..x", "product..x"),
        ("field=price&op=almost&value=1", "'almost' is no comparison"),
        ("start=yesterday", "from is 'yesterday'"),
        ("start=2026-01-02&end=2026-01-01", "not after its start"),
        ("strategy=magic", "strategy is 'magic'"),
        ("strategy=composite", "cannot be answered by composite"),
        ("expected=few", "expected rows is 'few'"),
        ("field=a..b&op=eq&value=1", "'a..b' names no field"),
        ("sort=price&direction=sideways", "direction is 'sideways'"),
        ("field=price&op=eq&value=99999999999999999999999", "is beyond what a model can hold"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(full: Home, viewer: Visitor, asked: str, sentence: str) -> None:
    assert sentence in read(viewer, f"{QUERY}?{asked}", 400)


def test_keys_that_hold_no_models_are_named(full: Home, viewer: Visitor) -> None:
    assert "1 value looked at for this page is no model and is left out: some.key" in read(viewer, "/storage/models/no-models/")
    assert "/storage/kv/no-models/key?key=some.key" in page(viewer, "/storage/models/no-models/")


@pytest.mark.parametrize("asked", ["", "?field=n&op=eq&value=1", "?strategy=full_scan"])
def test_value_that_is_no_model_hides_no_other(full: Home, viewer: Visitor, asked: str) -> None:
    text = read(viewer, f"/storage/models/mixed/{asked}")

    assert "left out: a.bad" in text
    assert "a.good" in text


def test_missing_bucket_is_told_apart(full: Home, viewer: Visitor) -> None:
    assert "There is no stream KV_nowhere" in read(viewer, "/storage/models/nowhere/", 404)


def test_hostile_values_are_shown_as_text(full: Home, viewer: Visitor) -> None:
    assert HOSTILE not in page(viewer, f"{QUERY}?pattern=customer.>") + page(viewer, f"{QUERY}model?key=customer.c1")


def test_model_has_its_fields_its_history_and_what_is_known(full: Home, viewer: Visitor) -> None:
    text = read(viewer, f"{QUERY}model?key=product.p00&older=1&newer=32")

    assert "Schema version 1" in text
    assert "Newest event in it 40" in text
    assert "2 revisions kept" in text
    assert '- "price": 0, + "price": 99, changed' in text.replace("  ", " ")
    assert "No projection of this console builds these models" in text


def test_index_is_added_used_and_dropped_by_an_operator(full: Home, operator: Visitor, viewer: Visitor) -> None:
    given = {"act": "add", "name": "by_shelf", "fields": "shelf, price", "pattern": "product.>"}
    assert viewer.post(f"{QUERY}indexes", given).status_code == 403

    text = operator.post(f"{QUERY}indexes", given, follow=True).content.decode()
    found = read(operator, f"{QUERY}?pattern=product.>&field=shelf&op=eq&value=garden")
    dropped = operator.post(f"{QUERY}indexes", {"act": "drop", "name": "by_shelf"}, follow=True).content.decode()

    assert "The index by_shelf over shelf, price is filled" in text
    assert "composite by by_shelf" in found
    assert "Looked at 10 models" in found
    assert "The index by_shelf is dropped." in dropped


def test_index_over_no_field_is_refused(full: Home, operator: Visitor) -> None:
    answer = operator.post(f"{QUERY}indexes", {"act": "add", "name": "nothing", "fields": ""}, follow=True)

    assert "needs one field or more" in answer.content.decode()


def test_queries_make_no_consumer(full: Home, viewer: Visitor) -> None:
    page(viewer, QUERY)

    assert full.run(consumers) == 0


@pytest.mark.parametrize(
    ("text", "op", "value"),
    [
        ("5", "eq", 5),
        ('"5"', "eq", "5"),
        ("true", "eq", True),
        ("null", "eq", None),
        ("NaN", "eq", "NaN"),
        ("Oslo", "eq", "Oslo"),
        ("5", "starts_with", "5"),
        ("a, 2", "in", ["a", 2]),
        ('["a", 2]', "in", ["a", 2]),
    ],
)
def test_value_is_read_as_json_where_it_is_some(text: str, op: str, value: object) -> None:
    assert parse_value(text, op) == value
