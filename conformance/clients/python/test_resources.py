"""Resources made with fhir.resources go in and come back through fhirpy as they were."""

import json
from datetime import date
from decimal import Decimal

import pytest
import requests
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.patient import Patient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome as Refused, ResourceNotFound


def plain(model):
    """A model as the JSON tree that is sent."""
    return json.loads(model.model_dump_json())


def without_meta(resource):
    return {name: value for name, value in resource.items() if name not in ("meta", "id")}


def person(mark, family="沈", given="青禾"):
    return Patient(
        identifier=[{"system": "urn:qingshan:suite", "value": mark}],
        name=[{"family": family, "given": [given], "text": family + given}],
        gender="female",
        birthDate=date(1987, 3, 9),
        multipleBirthInteger=2,
    )


def make(client, model):
    return client.resource(model.get_resource_type(), **plain(model)).create()


def raw(server, method, path, **rest):
    headers = {"Authorization": server.bearer(), "Content-Type": "application/fhir+json", **rest.pop("headers", {})}
    return requests.request(method, f"{server.fhir}/{path}", headers=headers, timeout=60, **rest)


def test_what_is_created_comes_back_as_it_was_sent(client, mark):
    sent = person(mark)
    made = make(client, sent)
    read = client.get("Patient", made["id"])
    assert without_meta(read) == plain(sent)
    assert read["meta"]["versionId"] == "1"
    assert Patient.model_validate(dict(read)).birthDate == date(1987, 3, 9)


def test_decimals_keep_the_digits_they_were_written_with(server):
    sent = """{"resourceType":"Observation","status":"final","code":{"text":"钾"},
        "valueQuantity":{"value":4.10,"unit":"mmol/L"},"referenceRange":[{"low":{"value":3.500},"high":{"value":5E0}}]}"""
    made = raw(server, "POST", "Observation", data=sent.encode())
    assert made.status_code == 201, made.text
    text = raw(server, "GET", "Observation/" + made.json()["id"]).text
    assert '"value":4.10' in text and '"value":3.500' in text and '"value":5E0' in text
    read = Observation.model_validate_json(text)
    assert (read.valueQuantity.value, read.referenceRange[0].low.value) == (Decimal("4.1"), Decimal("3.5"))


def test_extensions_of_primitives_and_contained_resources_come_back(client):
    sent = Observation.model_validate(
        {
            "resourceType": "Observation",
            "status": "final",
            "contained": [{"resourceType": "Device", "id": "meter", "deviceName": [{"name": "血糖仪", "type": "user-friendly-name"}]}],
            "code": {"text": "血糖"},
            "device": {"reference": "#meter"},
            "effectiveDateTime": "2026-05",
            "_effectiveDateTime": {"extension": [{"url": "urn:qingshan:certainty", "valueCode": "about"}]},
            "valueString": "6.1",
        }
    )
    made = make(client, sent)
    assert without_meta(client.get("Observation", made["id"])) == plain(sent)


def test_an_update_makes_a_new_version_and_the_old_one_stays_readable(server, client, mark):
    made = make(client, person(mark))
    made["name"] = [{"family": "陆", "given": ["青禾"]}]
    updated = made.update()
    assert updated["meta"]["versionId"] == "2"
    first = raw(server, "GET", f"Patient/{made['id']}/_history/1")
    second = raw(server, "GET", f"Patient/{made['id']}/_history/2")
    assert (first.json()["name"][0]["family"], second.json()["name"][0]["family"]) == ("沈", "陆")
    assert (first.headers["ETag"], second.headers["ETag"]) == ('W/"1"', 'W/"2"')


def test_an_update_under_a_new_name_creates(client, mark):
    saved = client.resource("Patient", **{**plain(person(mark)), "id": f"own-{mark}"}).save()
    assert saved["id"] == f"own-{mark}"
    assert client.get("Patient", f"own-{mark}")["meta"]["versionId"] == "1"


def test_a_fhirpath_patch_changes_one_element(client, mark):
    made = make(client, person(mark))
    patch = {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": "replace"},
                    {"name": "path", "valueString": "Patient.gender"},
                    {"name": "value", "valueCode": "other"},
                ],
            }
        ],
    }
    client.execute(f"Patient/{made['id']}", method="patch", data=patch)
    read = client.get("Patient", made["id"])
    assert (read["gender"], read["birthDate"], read["meta"]["versionId"]) == ("other", "1987-03-09", "2")


def test_a_json_patch_changes_one_element(server, client, mark):
    made = make(client, person(mark))
    patching = server.client(**{"Content-Type": "application/json-patch+json"})
    patching.execute(
        f"Patient/{made['id']}",
        method="patch",
        data=[{"op": "test", "path": "/gender", "value": "female"}, {"op": "remove", "path": "/gender"}],
    )
    assert "gender" not in client.get("Patient", made["id"])


def test_a_deleted_resource_is_gone_but_its_versions_are_not(server, client, mark):
    made = make(client, person(mark))
    client.delete("Patient", made["id"])
    with pytest.raises(ResourceNotFound):
        client.get("Patient", made["id"])
    assert raw(server, "GET", f"Patient/{made['id']}").status_code == 410
    assert raw(server, "GET", f"Patient/{made['id']}/_history/1").status_code == 200
    assert client.resources("Patient").search(identifier=f"urn:qingshan:suite|{mark}").fetch() == []


def test_the_history_of_a_resource_tells_the_newest_first(server, client, mark):
    made = make(client, person(mark))
    client.resource("Patient", **{**made, "active": True}).update()
    client.delete("Patient", made["id"])
    history = Bundle.model_validate_json(raw(server, "GET", f"Patient/{made['id']}/_history").text)
    assert history.type == "history"
    assert [entry.request.method for entry in history.entry] == ["DELETE", "PUT", "POST"]
    assert history.total == 3


def test_an_update_of_an_outdated_version_is_refused(server, client, mark):
    made = make(client, person(mark))
    client.resource("Patient", **{**made, "active": True}).update()
    late = server.client(**{"If-Match": 'W/"1"'})
    with pytest.raises(MultipleResourcesFound):
        # fhirpy calls every 412 so.
        late.resource("Patient", **{**made, "active": False}).update()
    assert client.get("Patient", made["id"])["active"] is True


def test_a_conditional_create_makes_one_resource_however_often_it_is_sent(server, client, mark):
    found = client.resources("Patient").search(identifier=f"urn:qingshan:suite|{mark}")
    conditional = server.client(**{"If-None-Exist": f"identifier=urn:qingshan:suite|{mark}"})
    for _ in range(3):
        conditional.resource("Patient", **plain(person(mark))).create()
    assert len(found.fetch()) == 1


def test_a_conditional_update_changes_the_one_that_matches(client, mark):
    found = client.resources("Patient").search(identifier=f"urn:qingshan:suite|{mark}")
    made, created = found.update(client.resource("Patient", **plain(person(mark))))
    assert created
    again, created = found.update(client.resource("Patient", **{**plain(person(mark)), "active": True}))
    assert (created, again["id"], again["active"]) == (False, made["id"], True)


def test_a_conditional_delete_deletes_what_matches(server, client, mark):
    made = make(client, person(mark))
    answer = raw(server, "DELETE", f"Patient?identifier=urn:qingshan:suite|{mark}")
    assert answer.status_code in (200, 204)
    with pytest.raises(ResourceNotFound):
        client.get("Patient", made["id"])


def test_an_element_that_r4_does_not_have_is_refused_with_its_path(server):
    answer = raw(server, "POST", "Patient", data='{"resourceType":"Patient","name":[{"familly":"沈"}]}'.encode())
    outcome = OperationOutcome.model_validate_json(answer.text)
    assert answer.status_code in (400, 422)
    assert outcome.issue[0].expression == ["Patient.name[0].familly"]


def test_validation_tells_what_is_wrong_without_storing_anything(client, mark):
    sound = client.resource("Patient", **plain(person(mark)))
    assert sound.is_valid()
    unsound = client.resource("Patient", **{**plain(person(mark)), "gender": "robot"})
    with pytest.raises(Refused):
        unsound.is_valid(raise_exception=True)
    assert client.resources("Patient").search(identifier=f"urn:qingshan:suite|{mark}").fetch() == []


def test_the_capability_statement_is_sound_and_names_what_the_suite_uses(server):
    text = requests.get(f"{server.fhir}/metadata", timeout=60).text
    statement = CapabilityStatement.model_validate_json(text)
    assert statement.fhirVersion == "4.0.1"
    patient = next(resource for resource in statement.rest[0].resource if resource.type == "Patient")
    offered = {interaction.code for interaction in patient.interaction}
    assert {"read", "vread", "create", "update", "patch", "delete", "history-instance", "search-type"} <= offered
