"""Uses the client that openapi-python-client generated of the market's document (app-router/examples/market.rs).

The arguments are the URL of the market and the folder that holds the package `market`.
"""

import io
import sys
from http import HTTPStatus

url, folder = sys.argv[1:]
sys.path.insert(0, folder)

from market import AuthenticatedClient, Client
from market.api.orders import order, post_orders
from market.api.people import get_people_greeting, get_people_link, get_people_me, get_people_office, post_people_token
from market.api.wares import (
    delete_wares_id,
    get_wares,
    get_wares_id_page,
    get_wares_prices,
    get_wares_seen,
    post_wares,
    post_wares_id_picture,
    post_wares_question,
    put_wares_id_name,
    put_wares_id_raw,
    ware,
)
from market.models import Found, Kind, Order, PasswordForm, Picture, Problem, Question, Receipt, Seen, Taken, Token, Ware, WareWritten
from market.types import File


def same(found, wanted):
    assert found == wanted, f"{found!r} is not {wanted!r}"


def issues(problem, status):
    """What a typed problem says is wrong, place by place."""
    assert isinstance(problem, Problem), repr(problem)
    same(problem.status, status)
    return sorted((error.location, error.kind) for error in problem.errors)


# Whatever the document does not tell is an error.
anybody = Client(base_url=url, raise_on_unexpected_status=True)

# Lists and enums in a query, a list of objects in the answer.
found = get_wares.sync(client=anybody, tag=["hot", "green & dry"], kind=Kind.USED, limit=7)
assert isinstance(found, Found), repr(found)
same(found.asked, "hot+green & dry used=true limit=7")
same([(one.name, one.price, one.tags) for one in found.wares], [("tea", 3, ["hot"])])
same(get_wares.sync(client=anybody).asked, " used=false limit=10")
same(issues(get_wares.sync(client=anybody, limit=101), 422), [(["query", "limit"], "maximum")])

# A body and what comes back of it, nested in itself.
made = post_wares.sync_detailed(client=anybody, body=Ware(name="pot", price=900, note=None, parts=[Ware(name="lid", price=1)]))
same(made.status_code, HTTPStatus.CREATED)
assert isinstance(made.parsed, WareWritten), repr(made.parsed)
same((made.parsed.name, made.parsed.kind, made.parsed.parts[0].name), ("pot", Kind.NEW, "lid"))
wrong = Ware(name=" pot", price=0, tags=["a", "a"], parts=[Ware(name="", price=1)])
same(
    issues(post_wares.sync(client=anybody, body=wrong), 422),
    [
        (["body", "name"], "pattern"),
        (["body", "parts", 0, "name"], "minLength"),
        (["body", "parts", 0, "name"], "pattern"),
        (["body", "price"], "minimum"),
        (["body", "tags"], "uniqueItems"),
    ],
)

# Parameters of the path, and the other statuses.
same(ware.sync(client=anybody, id=12).price, 12)
missing = ware.sync(client=anybody, id=0)
assert isinstance(missing, Problem), repr(missing)
same((missing.status, missing.detail), (404, "there is no ware 0"))
same(issues(ware.sync(client=anybody, id=-1), 422), [(["path", "id"], "range")])
same(delete_wares_id.sync_detailed(client=anybody, id=1).status_code, HTTPStatus.NO_CONTENT)
same(get_wares_id_page.sync_detailed(client=anybody, id=5).content, b"<h1>5</h1>")

# Fields of the head and cookies.
seen = get_wares_seen.sync(client=anybody, x_language="ko", x_request_number=3, basket="b-1")
same(seen, Seen(language="ko", number=3, basket="b-1"))

# A form, a form with a file, text, bytes, a stream.
same(post_wares_question.sync(client=anybody, body=Question(text="Is it hot?", stars=[2, 3])), "Is it hot? (5)")
picture = Picture(title="A pot", file=File(payload=io.BytesIO(b"\xff\x00" * 500), file_name="pot.png", mime_type="image/png"))
same(post_wares_id_picture.sync(client=anybody, id=1, body=picture), Taken(title="A pot", name="pot.png", bytes_=1000))
same(put_wares_id_name.sync_detailed(client=anybody, id=1, body=File(payload=io.BytesIO(b"kettle"))).content, b"1 is kettle")
same(put_wares_id_raw.sync_detailed(client=anybody, id="1", body=File(payload=io.BytesIO(b"\x00\xff"))).content, b"2 bytes")
assert b"id: 3" in get_wares_prices.sync_detailed(client=anybody).content

# Who asks: a token by the password flow, with scopes.
token = post_people_token.sync(client=anybody, body=PasswordForm(username="ada", password="ada", scope="orders:write"))
assert isinstance(token, Token), repr(token)
bad = post_people_token.sync(client=anybody, body=PasswordForm(username="bob", password="bop"))
same((bad.status, bad.detail), (400, "the password is wrong"))
ada = AuthenticatedClient(base_url=url, token=token.access_token, raise_on_unexpected_status=True)
same(get_people_me.sync(client=ada), "ada")
nobody = get_people_me.sync_detailed(client=anybody)
same((nobody.status_code, nobody.headers["www-authenticate"]), (HTTPStatus.UNAUTHORIZED, 'Bearer realm="login"'))
same(nobody.parsed.status, 401)
same(get_people_greeting.sync(client=anybody), "Hello, stranger.")
receipt = post_orders.sync(client=ada, body=Order(ware=1, count=4))
assert isinstance(receipt, Receipt), repr(receipt)
same((receipt.by, receipt.order.count), ("ada", 4))
same(issues(post_orders.sync(client=ada, body=Order(ware=1, count=3)), 422), [(["body", "count"], "multipleOf")])
same(order.sync(client=ada, year=2026, number=7).status, 403)

# Keys and passwords.
machine = AuthenticatedClient(base_url=url, token="k-1", prefix="", auth_header_name="x-machine", raise_on_unexpected_status=True)
same(get_people_office.sync_detailed(client=machine).content, b"the safe is open")
office = AuthenticatedClient(base_url=url, token="b2ZmaWNlOm9wZW4=", prefix="Basic", raise_on_unexpected_status=True)
same(get_people_office.sync_detailed(client=office).content, b"the safe is open")
same(get_people_office.sync(client=ada).status, 401)
same(get_people_link.sync(client=ada).status, 401)

print("the generated client works")
