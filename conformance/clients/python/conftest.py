"""A running `qingshan serve` for clients written by others: one on each database, with sign-in."""

import json
import os
import re
import subprocess
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from authlib.jose import JsonWebKey
from fhirpy import SyncFHIRClient

ROOT = Path(__file__).resolve().parents[3]
BINARY = os.environ.get("QINGSHAN_BINARY", str(ROOT / "target/debug/qingshan"))
# Where a PostgreSQL cluster for tests listens, as `postgres://postgres@127.0.0.1:PORT`.
CLUSTER = os.environ.get("QINGSHAN_TEST_POSTGRES")

# An app of people: where it has them sent back to, and what it may ask for.
BACK = "http://127.0.0.1:9/back"
APP_SCOPE = "launch/patient patient/*.rs openid fhirUser offline_access"


@dataclass
class Server:
    """A server that listens, and a machine client it knows."""

    root: str
    client_id: str
    client_secret: str
    # The key of the machine `warehouse`, which proves itself by signatures.
    key: str
    # The password that `wen`, a practitioner, was given.
    password: str

    @property
    def fhir(self):
        return f"{self.root}/fhir"

    def token(self, scope=None, secret=None):
        """What the token endpoint answers to the client's credentials."""
        form = {"grant_type": "client_credentials"}
        if scope:
            form["scope"] = scope
        return requests.post(
            f"{self.root}/auth/token", data=form, auth=(self.client_id, secret or self.client_secret), timeout=60
        )

    def bearer(self, scope=None):
        """The value of an Authorization header."""
        return "Bearer " + self.token(scope).json()["access_token"]

    def client(self, scope=None, **headers):
        """A fhirpy client that is signed in."""
        return SyncFHIRClient(self.fhir, authorization=self.bearer(scope), extra_headers=headers)


def place(folder, database):
    """The arguments that say where the record is."""
    return ["--data", str(folder)] + (["--database", database] if database else [])


def run(*words):
    """What the program prints when it is run with these words."""
    return subprocess.run([BINARY, *words], check=True, capture_output=True, text=True).stdout


def new_database():
    name = f"client_{uuid.uuid4().hex}"
    subprocess.run(["psql", "-qc", f"CREATE DATABASE {name}", f"{CLUSTER}/postgres"], check=True)
    return f"{CLUSTER}/{name}"


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def server(request, tmp_path_factory):
    """The server, on each database in turn."""
    if request.param == "postgres" and not CLUSTER:
        pytest.skip("QINGSHAN_TEST_POSTGRES does not name a cluster")
    folder = tmp_path_factory.mktemp("record")
    where = place(folder, new_database() if request.param == "postgres" else None)
    secret = run("client", "add", *where, "--id", "suite", "--scope", "system/*.cruds").strip()
    key = JsonWebKey.generate_key("RSA", 2048, {"kid": "one"}, is_private=True)
    keys = folder / "keys.json"
    keys.write_text(json.dumps({"keys": [key.as_dict(is_private=False)]}))
    run("client", "add", *where, "--id", "warehouse", "--scope", "system/Patient.rs", "--jwks", f"@{keys}")
    app = ["--id", "chart", "--scope", APP_SCOPE, "--public", "--redirect-uri", BACK]
    run("client", "add", *where, *app)
    person = ["--login", "wen", "--name", "Wen", "--practitioner", "wen"]
    password = run("account", "add", *where, *person).strip()
    process = subprocess.Popen(
        [BINARY, "serve", *where, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True
    )
    log = iter(process.stderr.readline, "")
    told = []
    for line in log:
        told.append(line)
        address = re.search(r"listening at (http://[\d.:]+)/fhir", line)
        if address:
            break
    else:
        raise RuntimeError("the server did not start: " + "".join(told))
    # A pipe that nobody reads would stop the server once it is full.
    threading.Thread(target=lambda: list(log), daemon=True).start()
    yield Server(address.group(1), "suite", secret, key.as_pem(is_private=True), password)
    process.terminate()
    assert process.wait(timeout=60) == 0


@pytest.fixture
def client(server):
    """A fhirpy client that may do everything."""
    return server.client()


@pytest.fixture
def mark():
    """A code of the test's own, by which it finds what it made and nothing else."""
    return uuid.uuid4().hex
