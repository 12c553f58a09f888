"""SMART App Launch 2 with Authlib: a machine that signs, and an app that a person lets in."""

import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from conftest import APP_SCOPE, BACK

NEW_PASSWORD = "Cedar-root-41"


def machine(server, seconds=240):
    """A session of the machine, whose next assertion is good for so long."""
    session = OAuth2Session(
        "warehouse",
        server.key,
        token_endpoint_auth_method="private_key_jwt",
        revocation_endpoint_auth_method="private_key_jwt",
        scope="system/Patient.rs",
    )
    endpoint = f"{server.root}/auth/token"
    claims = {"exp": int(time.time()) + seconds}
    session.register_client_auth_method(
        PrivateKeyJWT(endpoint, claims=claims, headers={"kid": "one"}, alg="RS384")
    )
    return session


@pytest.fixture
def machine_token(server):
    return machine(server).fetch_token(f"{server.root}/auth/token", grant_type="client_credentials")


def test_a_machine_proves_itself_by_a_signature(server, machine_token):
    assert machine_token["scope"] == "system/Patient.rs"
    session = OAuth2Session(token=machine_token)
    assert session.get(f"{server.fhir}/Patient?_count=1").status_code == 200
    assert session.get(f"{server.fhir}/Observation?_count=1").status_code == 403


def test_an_assertion_that_is_good_for_too_long_is_refused(server):
    with pytest.raises(OAuthError, match="invalid_client"):
        machine(server, seconds=3_600).fetch_token(f"{server.root}/auth/token", grant_type="client_credentials")


def test_a_token_is_introspected_and_revoked(server, machine_token):
    token = machine_token["access_token"]
    told = machine(server).introspect_token(f"{server.root}/auth/introspect", token=token).json()
    assert (told["active"], told["client_id"]) == (True, "warehouse")
    assert machine(server).revoke_token(f"{server.root}/auth/revoke", token=token).status_code == 200
    told = machine(server).introspect_token(f"{server.root}/auth/introspect", token=token).json()
    assert told == {"active": False}


@pytest.fixture
def person(server):
    """A practitioner at work, signed in with a browser."""
    suite = server.client()
    made = [
        suite.resource("Organization", id="clinic", name="Clinic of the suite"),
        suite.resource("Practitioner", id="wen", active=True),
        suite.resource(
            "PractitionerRole",
            id="wen",
            practitioner={"reference": "Practitioner/wen"},
            organization={"reference": "Organization/clinic"},
            code=[{"coding": [{"system": "https://qingshan.dev/fhir/CodeSystem/duty", "code": "doctor"}]}],
        ),
        suite.resource("Patient", id="of-wen", managingOrganization={"reference": "Organization/clinic"}),
        suite.resource("Patient", id="of-nobody", managingOrganization={"reference": "Organization/clinic"}),
        suite.resource(
            "Encounter",
            id="of-wen",
            status="in-progress",
            **{"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}},
            subject={"reference": "Patient/of-wen"},
            serviceProvider={"reference": "Organization/clinic"},
        ),
    ]
    for resource in made:
        resource.save()
    browser = requests.Session()
    change = {"login": "wen", "old": server.password, "new": NEW_PASSWORD}
    entered = browser.post(f"{server.root}/auth/password", json=change, timeout=60)
    if entered.status_code == 401:
        entry = {"login": "wen", "password": NEW_PASSWORD}
        entered = browser.post(f"{server.root}/auth/sign-in", json=entry, timeout=60)
    assert entered.status_code == 200, entered.text
    browser.headers["X-CSRF-Token"] = entered.json()["csrf"]
    return browser


def let_in(server, person, session):
    """What the app is given once the person said yes."""
    verifier = "k" * 64
    address, _ = session.create_authorization_url(
        f"{server.root}/auth/authorize", code_verifier=verifier, aud=server.fhir, nonce="once"
    )
    asked = requests.get(address, allow_redirects=False, timeout=60)
    name = parse_qs(urlsplit(asked.headers["Location"]).query)["request"][0]
    answer = {"allow": True, "patient": "of-wen"}
    to = person.post(f"{server.root}/auth/authorize/{name}", json=answer, timeout=60)
    assert to.status_code == 200, to.text
    return session.fetch_token(
        f"{server.root}/auth/token", authorization_response=to.json()["to"], code_verifier=verifier
    )


def app():
    return OAuth2Session(
        "chart",
        scope=APP_SCOPE,
        redirect_uri=BACK,
        code_challenge_method="S256",
        token_endpoint_auth_method="none",
    )


def test_an_app_is_let_in_for_one_patient_renews_and_is_revoked(server, person):
    session = app()
    first = let_in(server, person, session)
    assert first["patient"] == "of-wen"
    assert session.get(f"{server.fhir}/Patient/of-wen").status_code == 200
    assert session.get(f"{server.fhir}/Patient/of-nobody").status_code == 404
    renewed = session.refresh_token(f"{server.root}/auth/token", refresh_token=first["refresh_token"])
    assert renewed["refresh_token"] != first["refresh_token"]
    assert session.get(f"{server.fhir}/Patient/of-wen").status_code == 200
    session.revoke_token(f"{server.root}/auth/revoke", token=renewed["refresh_token"])
    assert session.get(f"{server.fhir}/Patient/of-wen").status_code == 401


def test_the_identity_token_is_what_discovery_promises(server, person):
    given = let_in(server, person, app())
    told = requests.get(f"{server.fhir}/.well-known/openid-configuration", timeout=60).json()
    keys = JsonWebKey.import_key_set(requests.get(told["jwks_uri"], timeout=60).json())
    options = {"iss": {"value": told["issuer"]}, "aud": {"value": "chart"}, "nonce": {"value": "once"}}
    claims = jwt.decode(given["id_token"], keys, claims_options=options)
    claims.validate()
    assert claims["fhirUser"] == f"{server.fhir}/Practitioner/wen"
