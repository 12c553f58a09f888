"""Searches and bundles through fhirpy, read with fhir.resources."""

import requests
from fhir.resources.R4B.bundle import Bundle
from fhirpy.base.exceptions import OperationOutcome as Refused

import pytest

SYSTEM = "urn:qingshan:suite"


def patient(mark, number, **more):
    return {
        "resourceType": "Patient",
        "identifier": [{"system": SYSTEM, "value": f"{mark}-{number}"}],
        "meta": {"tag": [{"system": SYSTEM, "code": mark}]},
        "name": [{"family": "单", "given": ["雪松" if number % 2 else "雪梅"]}],
        "birthDate": f"19{50 + number:02}-01-{number % 28 + 1:02}",
        **more,
    }


def entry(method, url, resource=None, full_url=None, **request):
    made = {"request": {"method": method, "url": url, **request}}
    if resource:
        made["resource"] = resource
    if full_url:
        made["fullUrl"] = full_url
    return made


def bundle(kind, *entries):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def send(client, sent):
    """Sends a bundle to the base itself and reads the answer as a model."""
    return Bundle.model_validate(client.execute("", method="post", data=sent))


@pytest.fixture
def people(client, mark):
    """Thirty patients with a tag of their own; each third has an observation."""
    entries = []
    for number in range(30):
        url = f"urn:uuid:00000000-0000-4000-8000-{number:012}"
        entries.append(entry("POST", "Patient", patient(mark, number), url))
        if number % 3 == 0:
            observation = {
                "resourceType": "Observation",
                "status": "final",
                "meta": {"tag": [{"system": SYSTEM, "code": mark}]},
                "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
                "subject": {"reference": url},
                "valueQuantity": {"value": 60 + number, "system": "http://unitsofmeasure.org", "code": "/min"},
            }
            entries.append(entry("POST", "Observation", observation))
    answer = send(client, bundle("transaction", *entries))
    assert all(one.response.status.startswith("201") for one in answer.entry)
    return client.resources("Patient").search(_tag=f"{SYSTEM}|{mark}")


def numbers(found):
    return [int(one["identifier"][0]["value"].rsplit("-", 1)[1]) for one in found]


def test_paging_shows_everything_once(people):
    assert sorted(numbers(people.limit(7).fetch_all())) == list(range(30))


def test_a_search_is_sorted_as_asked(people):
    assert numbers(people.sort("-birthdate").limit(4).fetch()) == [29, 28, 27, 26]
    assert numbers(people.sort("birthdate").limit(7).fetch_all()) == list(range(30))


def test_a_count_alone_can_be_asked_for(people):
    assert people.count() == 30


def test_dates_are_compared_as_spans(people):
    assert sorted(numbers(people.search(birthdate__ge="1977").fetch_all())) == [27, 28, 29]
    assert sorted(numbers(people.search(birthdate="1960").fetch_all())) == [10]
    assert sorted(numbers(people.search(birthdate__lt="1952").fetch_all())) == [0, 1]


def test_a_name_is_found_by_its_characters_and_by_its_sound(people):
    for written in ("单雪", "单", "shan", "Shan Xue", "sxs"):
        found = numbers(people.search(name=written).limit(50).fetch())
        assert 1 in found, written
    assert numbers(people.search(name="dan").limit(50).fetch()) == []


def test_a_token_can_be_denied_and_be_missing(people):
    assert len(people.search(gender__missing="true").limit(50).fetch()) == 30
    assert len(people.search(gender__not="male").limit(50).fetch()) == 30


def test_a_chain_leads_to_the_patient_and_has_leads_back(client, people, mark):
    observations = client.resources("Observation").search(
        code="http://loinc.org|8867-4", patient__Patient__identifier=f"{SYSTEM}|{mark}-6"
    )
    assert [int(one["valueQuantity"]["value"]) for one in observations.fetch()] == [66]
    having = people.has("Observation", "patient", value_quantity__ge="81", code="8867-4")
    assert sorted(numbers(having.limit(50).fetch())) == [21, 24, 27]


def test_what_is_included_comes_along_once(client, people, mark):
    observations = client.resources("Observation").search(_tag=f"{SYSTEM}|{mark}").include("Observation", "subject")
    found = observations.limit(50).fetch_raw()
    modes = [one["search"]["mode"] for one in found["entry"]]
    assert (modes.count("match"), modes.count("include")) == (10, 10)
    revolved = people.search(birthdate="1950").revinclude("Observation", "subject").fetch_raw()
    assert [one["resource"]["resourceType"] for one in revolved["entry"]] == ["Patient", "Observation"]


def test_a_search_by_post_finds_the_same(server, people, mark):
    form = {"_tag": f"{SYSTEM}|{mark}", "_count": "50"}
    headers = {"Authorization": server.bearer()}
    answer = requests.post(f"{server.fhir}/Patient/_search", data=form, headers=headers, timeout=60)
    assert sorted(numbers(one.resource.model_dump() for one in Bundle.model_validate_json(answer.text).entry)) == list(range(30))


def test_an_unknown_parameter_is_refused_only_when_that_was_asked_for(server, client):
    lenient = client.resources("Patient").search(favourite_colour="green").fetch_raw()
    own = next(link["url"] for link in lenient["link"] if link["relation"] == "self")
    assert "colour" not in own
    strict = server.client(Prefer="handling=strict")
    with pytest.raises(Refused):
        strict.resources("Patient").search(favourite_colour="green").fetch_raw()


def test_a_transaction_is_all_or_nothing(client, mark):
    sent = bundle(
        "transaction",
        entry("POST", "Patient", patient(mark, 1)),
        entry("POST", "Patient", patient(mark, 2, gender="robot")),
    )
    with pytest.raises(Refused):
        send(client, sent)
    assert client.resources("Patient").search(_tag=f"{SYSTEM}|{mark}").fetch() == []


def test_references_inside_a_transaction_lead_to_what_was_stored(client, mark):
    url = "urn:uuid:7d9f4c52-2a39-4b8e-b4a5-7a40b0f9a001"
    visit = {
        "resourceType": "Encounter",
        "status": "planned",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": url},
    }
    conditional = {**visit, "subject": {"reference": f"Patient?identifier={SYSTEM}|{mark}-9"}}
    send(client, bundle("transaction", entry("POST", "Patient", patient(mark, 9))))
    answer = send(
        client,
        bundle(
            "transaction",
            entry("POST", "Encounter", visit),
            entry("POST", "Patient", patient(mark, 1), url),
            entry("POST", "Encounter", conditional),
        ),
    )
    named = [one.response.location.split("/_history")[0].split("/fhir/")[-1] for one in answer.entry]
    assert client.get(named[0])["subject"]["reference"] == named[1]
    ninth = client.resources("Patient").search(identifier=f"{SYSTEM}|{mark}-9").get()
    assert client.get(named[2])["subject"]["reference"] == f"Patient/{ninth['id']}"


def test_a_batch_does_what_can_be_done_and_says_what_cannot(client, mark):
    answer = send(
        client,
        bundle(
            "batch",
            entry("POST", "Patient", patient(mark, 1)),
            entry("POST", "Patient", patient(mark, 2, gender="robot")),
            entry("GET", f"Patient?_tag={SYSTEM}|{mark}"),
            entry("GET", "Patient/nobody-of-this-name"),
        ),
    )
    assert [one.response.status[:1] for one in answer.entry] == ["2", "4", "2", "4"]
    assert answer.entry[1].response.outcome.issue[0].severity == "error"


def test_everything_about_a_patient_is_the_patient_and_what_refers_to_it(client, people):
    third = people.search(birthdate="1953").get()
    found = Bundle.model_validate(client.execute(f"Patient/{third['id']}/$everything", method="get"))
    assert sorted(one.resource.get_resource_type() for one in found.entry) == ["Observation", "Patient"]
