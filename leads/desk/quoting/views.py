"""The views with which a seller quotes for a customer. Each also answers without the database (`in_outage`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import reverse

from leads.desk.quoting import forms, sending
from leads.desk.quoting.job import LANGUAGE, LEAD, Customer, Job
from leads.models import Lead
from leads.staff.selling import Seller, seller_of
from quoter import incoming, site
from quoter import views as calculator
from quoter.engine.discount import Discount
from quoter.engine.pricing import QuoteRefused
from quoter.forms import TypedLine
from quoter.incoming import Form
from quoter.language import carried
from quoter.reprice import BEFORE, compared
from quoter.undo import Draft

JOB, OFFER = "admin:leads_lead_quote", "admin:leads_lead_offer"
# In an address, beside `lead`: for the same person, another job.
NEW = "new"

View = Callable[..., HttpResponse]


def for_sellers(*methods: str) -> Callable[[View], View]:
    """Return a decorator of a view for whoever may quote: it takes the seller, and their user, None in an outage."""

    def decorator(view: View) -> View:
        @wraps(view)
        def with_user(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            seller = seller_of(request.user)
            if seller is None:
                raise PermissionDenied
            return answer(request, seller, request.user, *args, **kwargs)

        def in_outage(request: HttpRequest, seller: Seller, *args: Any, **kwargs: Any) -> HttpResponse:
            return answer(request, seller, None, *args, **kwargs)

        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            return view(request, *args, **kwargs) if request.method in methods else HttpResponseNotAllowed(methods)

        with_user.in_outage = in_outage  # type: ignore[attr-defined]  # leads.staff.outage
        return with_user

    return decorator


@for_sellers("GET", "HEAD", "POST")
def quote_view(request: HttpRequest, seller: Seller, user: User | None) -> HttpResponse:
    """The calculator, for a customer of the seller's: GET, POST /admin/leads/lead/quote/.

    GET: `lead` fills in the quote and the person of a lead, and with `new` the person alone. A POST is an edit, or goes
    on to the offer.
    """
    if request.method != "POST":
        lead = _lead(user, request.GET.get(LEAD))
        customer = Customer.of(lead) if lead else Customer()
        issued = lead.snapshot.issued if lead and NEW not in request.GET else None
        return _calculator(request, customer, job=Job.of(issued) if issued else None)
    sent = incoming.read(request)
    customer, said = Customer.sent(sent.form), sent.form.get(LANGUAGE, "")
    typed, errors = Draft.read(sent.form)
    draft, more = typed.edited(sent.form.get("edit", ""), site.price_book())
    errors = [*sent.faults, *errors, *more]
    if errors or "edit" in sent.form:
        is_checked = calculator.CHECKED in sent.form and not draft.is_restarted
        return _calculator(request, customer, draft=draft, said=said, errors=errors, is_checked=is_checked)
    job = Job.sent(sent.form)
    try:
        return _offer(request, job, customer, seller)
    except QuoteRefused as refused:
        state: dict[str, Any] = {"errors": refused.errors, "is_checked": True, "status": 422}
        return _calculator(request, customer, draft=draft, said=said, **state)


@for_sellers("GET", "HEAD")
def requote_view(request: HttpRequest, seller: Seller, user: User | None, lead_id: str) -> HttpResponse:
    """The same job at today's prices, beside what was promised: GET /admin/leads/lead/<id>/requote/."""
    lead = _lead(user, lead_id)
    issued = lead.snapshot.issued if lead else None
    if lead is None or issued is None:
        raise Http404
    job, customer = Job.of(issued), Customer.of(lead)
    try:
        return _offer(request, job, customer, seller)
    except QuoteRefused as refused:  # not sold any more as it was
        return _calculator(request, customer, job=job, errors=refused.errors, is_checked=True)


@for_sellers("POST")
def offer_view(request: HttpRequest, seller: Seller, user: User | None) -> HttpResponse:
    """Record the quote and open the chat; with `show`, only apply the discount: POST /admin/leads/lead/offer/."""
    sent = incoming.read(request)
    job, customer = Job.sent(sent.form), Customer.sent(sent.form)
    try:
        typed = forms.Typed(sent.form, seller, charged=job.charged)
        errors = typed.discount_errors if "show" in sent.form else typed.errors
        if errors or "show" in sent.form:
            return _offer(request, job, customer, seller, form=sent.form, errors=errors, discount=typed.discount)
        # The same job sent twice, as by a second tap, is one quote.
        asker = f"{seller.name} {typed.details['phone']}"
        issued = job.issue(seller=seller.name, discount=typed.discount, asker=asker)
    except QuoteRefused as refused:  # the prices have changed meanwhile
        return _calculator(request, customer, job=job, errors=refused.errors, is_checked=True, status=422)
    result = sending.send(request, issued, typed, user=user)
    context = {"sent": result, "quote": issued.quote, "opens": "keep" not in sent.form and not result.colleague}
    return render(request, "leads/quoting/sent.html", context)


def _lead(user: User | None, key: object) -> Lead | None:
    """Return a lead that the seller may see. None in an outage."""
    found = Lead.key_of(key or None)
    may_see = user is not None and user.has_perm("leads.view_lead")
    return Lead.objects.filter(pk=found).first() if may_see and found is not None else None


def _calculator(
    request: HttpRequest,
    customer: Customer,
    *,
    draft: Draft | None = None,
    job: Job | None = None,
    said: str = "",
    status: int = 200,
    **state: Any,
) -> HttpResponse:
    """Return the calculator with what was typed, or with a job. said: the quote's language, if it has one already."""
    if job:
        before = dict(job.fields()).get(BEFORE, "")
        draft, said = Draft([TypedLine.of_request(line) for line in job.lines], job.answers, before), job.language
    context = calculator.page_context(request, draft or Draft(), address=reverse(JOB), **state)
    context |= {
        "customer": customer,
        "customer_fields": [*customer.fields(), *([(LANGUAGE, said)] if said else [])],
        "page_title": context["title"],
    }
    return render(request, "leads/quoting/calculator.html", context, status=status)


def _offer(
    request: HttpRequest,
    job: Job,
    customer: Customer,
    seller: Seller,
    *,
    form: Form | None = None,
    errors: dict[str, list[str]] | None = None,
    discount: Discount | None = None,
) -> HttpResponse:
    """Return the page of an offer; QuoteRefused as `pricing.price`.

    form: what was typed into it; without one, the discount of the quote before is kept, if the seller may give it.
    """
    given = job.before.discount if job.before else None
    typed = form
    if typed is None:
        typed = Form({"name": [customer.name], "phone": [customer.phone]})
        may_give = given is not None and forms.may_give(seller, given, charged=job.charged)
        if given and may_give and (reason := forms.reason_of(given)):
            discount = given
            said = {forms.AMOUNT: [str(given.amount)]} if given.amount else {forms.PERCENT: [given.percent]}
            typed = Form({**dict(typed.lists()), **said, forms.REASON: [reason]})
    issued = job.issue(seller=seller.name, discount=discount)
    context = {
        "quote": issued.quote,
        "before": job.before.quote if job.before else None,
        "again": compared(job.before, issued) if job.before else None,
        "hidden": [*job.fields(), *([(LEAD, customer.lead)] if customer.lead else [])],
        "action": carried(reverse(OFFER), request),
        "change": carried(reverse(JOB), request),
        "lost_discount": given.written(issued.quote.currency) if given and discount is None and form is None else "",
        **forms.shown(typed, errors or {}, seller),
    }
    return render(request, "leads/quoting/offer.html", context, status=422 if errors else 200)
