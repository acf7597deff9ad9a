"""This package is the domain that comes with the console: an order example, declared as data like any domain of a user's own.

`DOMAIN` is all that the console knows of it. Orders (`sales.order`) are placed by customers (`people.customer`) for products in stock
(`stock.product`); beside them stands the organization that sells, whose aggregates `company` lists. Everything here is marked as demo data.
"""

from apps.persistence.registry import Domain
from apps.persistence.work.decide import handler_of

from .company import COMPANY
from .customers import CUSTOMER, CUSTOMER_COMMANDS
from .demo.tampered import TAMPERED
from .evolution import NEWEST_SCHEMAS, WHO_CANCELLED, WHO_CANCELLED_FLAG
from .fulfilment import FULFILMENT, PAYMENT, decide_payment
from .orders import ORDER, ORDER_COMMANDS, ORDER_CONTEXTS, ORDER_QUERIES
from .products import PRODUCT, PRODUCT_COMMANDS
from .projections import DISCOUNT_AUDIT, ORDER_SUMMARY, SEARCH_INDEX
from .sagas import SagaProcess, aggregate_of, handler_of_saga
from .views import COMPANY_QUERIES, ORGANIZATION_VIEWS

DOMAIN = Domain(
    name="example",
    title="Order example",
    aggregates=(ORDER, CUSTOMER, PRODUCT, PAYMENT, aggregate_of(FULFILMENT), *(commands.definition for commands in COMPANY)),
    projections=(ORDER_SUMMARY, SEARCH_INDEX, DISCOUNT_AUDIT, ORGANIZATION_VIEWS),
    commands={
        ORDER.key: ORDER_COMMANDS,
        CUSTOMER.key: CUSTOMER_COMMANDS,
        PRODUCT.key: PRODUCT_COMMANDS,
        PAYMENT.key: handler_of(PAYMENT, decide_payment),
        FULFILMENT.key: handler_of_saga(FULFILMENT),
        **{commands.definition.key: commands for commands in COMPANY},
    },
    processes=(SagaProcess(saga=FULFILMENT),),
    queries={ORDER.key: ORDER_QUERIES, **COMPANY_QUERIES},
    layouts=(TAMPERED,),
    upcasters=(WHO_CANCELLED,),
    flags=(WHO_CANCELLED_FLAG,),
    migrations=(NEWEST_SCHEMAS,),
    routers=(ORDER_CONTEXTS,),
    is_demo=True,
)
