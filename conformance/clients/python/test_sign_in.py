"""OAuth 2 client credentials as RFC 6749 has them."""

import pytest
import requests
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import AuthorizationError, ForbiddenError


def test_without_a_token_nothing_is_shown(server):
    with pytest.raises(AuthorizationError):
        SyncFHIRClient(server.fhir).resources("Patient").fetch()


def test_a_wrong_secret_gets_no_token(server):
    answer = server.token(secret="wrong")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_token_says_how_long_it_lasts_and_what_it_allows(server):
    answer = server.token("system/Patient.rs").json()
    assert answer["token_type"].lower() == "bearer"
    assert answer["expires_in"] > 0
    assert answer["scope"] == "system/Patient.rs"


def test_a_token_allows_only_its_scope(server):
    reader = server.client("system/Patient.rs")
    assert reader.resources("Patient").limit(1).fetch() is not None
    with pytest.raises(ForbiddenError):
        reader.resource("Patient", active=True).create()
    with pytest.raises(ForbiddenError):
        reader.resources("Observation").fetch()


def test_the_token_endpoint_is_found_by_discovery(server):
    told = requests.get(f"{server.root}/.well-known/smart-configuration", timeout=60)
    if told.status_code == 404:
        told = requests.get(f"{server.fhir}/.well-known/smart-configuration", timeout=60)
    assert told.json()["token_endpoint"] == f"{server.root}/auth/token"
